// Two scripted servers with sessions behind one balancer, and what tests about sessions ask of them.

import assert from 'node:assert/strict';
import { after, before, beforeEach } from 'node:test';
import { pool, startBalancer, stopAll } from './balancer.mjs';
import {
  chunked,
  event,
  get,
  initialize,
  initializeResult,
  json,
  post,
  reply,
  request,
  sseHead,
} from './bytes.mjs';
import { assertFromBackend } from './claims.mjs';
import { RawClient } from './raw_client.mjs';
import { ScriptedBackend } from './scripted_backend.mjs';

export const SESSIONS = { on_backend_loss: 'not_found', on_unknown: 'not_found' };

// Set before the first test of a file starts.
export let backends;
export let balancer;

let serial = 0;

before(async () => {
  backends = [
    await ScriptedBackend.start(undefined, { name: 'a' }),
    await ScriptedBackend.start(undefined, { name: 'b' }),
  ];
  balancer = await startBalancer(pool(backends, { sessions: SESSIONS, heartbeat: '0s' }), {
    workers: 2,
  });
});

after(() => stopAll(balancer, backends ?? []));

beforeEach(() => {
  for (const backend of backends) {
    backend.script = legacyServer(backend);
    backend.clear();
  }
});

export const newId = (stem = 's') => `${stem}-${process.pid}-${(serial += 1)}`;

// A server that mints ids for initialize and says in every answer who it is.
export function legacyServer(backend, { mint = newId, answer } = {}) {
  return (seen, connection) => {
    const special = answer?.(seen, connection);
    if (special !== undefined) return connection.send(special);
    const { message, method } = seen;
    if (message?.method === 'initialize')
      return connection.send(
        json(initializeResult(message.id), { headers: [['Mcp-Session-Id', mint()]] }),
      );
    if (method === 'DELETE') return connection.send(reply(200));
    if (method === 'GET')
      return connection.send(Buffer.concat([sseHead(), chunked(event({ by: backend.name }))]));
    if (Array.isArray(message)) {
      return connection.send(
        json(
          message
            .filter(({ id, method: asked }) => asked && id !== undefined)
            .map(({ id }) => ({ jsonrpc: '2.0', id, result: { by: backend.name } })),
        ),
      );
    }
    if (message?.id === undefined || message.method === undefined)
      return connection.send(reply(202));
    return connection.send(json({ jsonrpc: '2.0', id: message.id, result: { by: backend.name } }));
  };
}

// One exchange on a connection of its own, so that nothing but the request can tell where it belongs.
export const send = (data, options = {}) =>
  RawClient.with((options.balancer ?? balancer).url, (client) => client.exchange(data, options));
export const total = () => backends.reduce((sum, { requests }) => sum + requests.length, 0);

// The backend that received the only request since clear().
export function receiver(among = backends) {
  const got = among.filter(({ requests }) => requests.length > 0);
  assert.equal(got.length, 1, `received by ${got.map(({ name }) => name)}`);
  return got[0];
}

export function clear() {
  for (const backend of backends) backend.clear();
}

export async function open(options = {}) {
  clear();
  const answer = await send(post(initialize()), options);
  assertFromBackend(answer);
  const owner = receiver(options.among);
  clear();
  return {
    id: answer.get('Mcp-Session-Id'),
    owner,
    other: (options.among ?? backends).find((backend) => backend !== owner),
  };
}

export const unknown = (id) => ({ status: 404, reason: 'session_unknown', code: -32001, id });
export const streamGet = (session, headers = []) =>
  get('/mcp', {
    headers: [['Accept', 'text/event-stream'], ['Mcp-Session-Id', session], ...headers],
  });
export const erase = (session) =>
  request('DELETE', '/mcp', { headers: [['Mcp-Session-Id', session]] });
