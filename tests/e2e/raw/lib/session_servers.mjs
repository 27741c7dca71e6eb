// Scripted servers that keep their sessions in memory, as plain ones do: to any other they say 404.

import assert from 'node:assert/strict';
import { chunk, post, initialize, reply, sseHead } from './bytes.mjs';
import { assertFromBackend } from './claims.mjs';
import { RawClient } from './raw_client.mjs';
import { ScriptedBackend } from './scripted_backend.mjs';
import { legacyServer, newId } from './sessions.mjs';

// A whole script of its own is `server.answer`: bytes to send instead, or undefined.
export async function startServers(...names) {
  const servers = [];
  for (const name of names) servers.push(await ScriptedBackend.start(undefined, { name }));
  return servers;
}

export function resetServer(server) {
  server.sessions = new Set();
  server.answer = undefined;
  server.mint = newId;
  server.clear();
  const mint = () => {
    const id = server.mint();
    server.sessions.add(id);
    return id;
  };
  const answer = (seen, connection) =>
    server.answer?.(seen, connection) ?? ofSession(server, seen);
  server.script = legacyServer(server, { mint, answer });
}

function ofSession(server, { method, target, message, ...seen }) {
  if (method === 'GET' && target.startsWith('/sse')) {
    const id = server.mint();
    server.sessions.add(id);
    return Buffer.concat([
      sseHead(),
      chunk(`event: endpoint\ndata: /messages?sessionId=${id}\n\n`),
    ]);
  }
  if (message?.method === 'initialize') return undefined;
  const named = /[?&]sessionId=([^&]*)/.exec(target)?.[1];
  const id = named ?? seen.headers.find(([name]) => /^mcp-session-id$/i.test(name))?.[1];
  if (!server.sessions.has(id)) return reply(404, { body: 'never heard of it' });
  if (method === 'DELETE') server.sessions.delete(id);
  return named === undefined ? undefined : reply(202, { body: server.name });
}

// Instead of an answer.
export const SILENCE = Buffer.alloc(0);

// How mcplb asks whose a session is.
export const isPing = ({ method, message }) =>
  method === 'POST' &&
  message?.method === 'ping' &&
  typeof message.id === 'string' &&
  message.id.length >= 20;
export const pings = (server) => server.requests.filter(isPing);
export const served = (server) => server.requests.filter((seen) => !isPing(seen));
export const idAt = (server) => `127.0.0.1:${server.port}`;

// One exchange on a connection of its own.
export const sendTo = (balancer, data, options = {}) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));

// A session that was opened through `balancer`, and its owner.
export async function openAt(balancer, servers, headers = []) {
  for (const server of servers) server.clear();
  const answer = await sendTo(balancer, post(initialize(), { headers }));
  assertFromBackend(answer);
  return { id: answer.get('Mcp-Session-Id'), owner: onlyServedBy(servers) };
}

// The one server that was sent anything but pings since clear(), which was one request.
export function onlyServedBy(servers) {
  const got = servers.filter((server) => served(server).length > 0);
  assert.deepEqual(
    got.map((server) => served(server).length),
    [1],
    `served by ${got.map(({ name }) => name)}`,
  );
  return got[0];
}
