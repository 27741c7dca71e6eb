// Plain servers behind a balancer, and sessions of which the owner is about to go.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { pool, startBalancer, stopAll, storeUp } from './balancer.mjs';
import { ask, call, initialize, post } from './bytes.mjs';
import { assertFromBackend } from './claims.mjs';
import { startPlainServers } from './plain_servers.mjs';
import { RawClient } from './raw_client.mjs';

export const VERSION = '2025-06-18';

// Three servers for the tests of one file, each test with balancers of its own.
export function stage(...names) {
  const scene = { servers: [], running: [] };
  before(async () => {
    scene.servers = await startPlainServers(...names);
  });
  beforeEach(async () => {
    for (const server of scene.servers) {
      if (!server.server.listening) await server.listen();
      server.reset();
    }
  });
  afterEach(async () => {
    await stopAll(scene.running.splice(0).reverse());
    for (const server of scene.servers) server.assertSound();
  });
  after(() => stopAll(scene.servers));
  // `more` is of the pool, `settings` of the whole file.
  scene.start = async (sessions = {}, { backends = scene.servers, ...more } = {}, settings = {}) => {
    const own = { sessions: { on_unknown: 'not_found', ...sessions }, heartbeat: '0s', ...more };
    const one = await startBalancer(pool(backends, own), settings);
    scene.running.push(one);
    if (settings.store) await storeUp(one);
    return one;
  };
  scene.open = (balancer, options) => openSession(balancer, scene.servers, options);
  scene.clear = () => scene.servers.forEach((server) => server.clear());
  return scene;
}

// One exchange on a connection of its own.
export const sendTo = (balancer, data, options = {}) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));

const versioned = (headers) => [['MCP-Protocol-Version', VERSION], ...headers];
export const list = (session, { id = 1, headers = [] } = {}) =>
  post(ask('tools/list', id), { session, headers: versioned(headers) });
export const callOf = (session, { id = 1, headers = [] } = {}) =>
  post(call(id), { session, headers: versioned(headers) });
export const notify = (session, method, params, headers = []) =>
  post({ jsonrpc: '2.0', method, ...(params && { params }) }, { session, headers: versioned(headers) });
export const asking = (session, method, params, headers = []) =>
  post(ask(method, 1, params), { session, headers: versioned(headers) });

// A session that is ready for use, its owner, and the servers that it may move to.
export async function openSession(balancer, servers, { headers = [], ready = true, message } = {}) {
  for (const server of servers) server.clear();
  const answer = await sendTo(balancer, post(message ?? initialize(0, VERSION), { headers }));
  assertFromBackend(answer);
  const owner = newOwner(servers);
  const id = answer.get('Mcp-Session-Id');
  if (ready)
    assertFromBackend(await sendTo(balancer, notify(id, 'notifications/initialized', undefined, headers)), 202); // prettier-ignore
  for (const server of servers) server.clear();
  return { id, owner, others: servers.filter((server) => server !== owner) };
}

export const moved = (answer) => answer.get('X-Mcplb-Session');

// The reply is that of `by`, under the id that the client knows.
export function assertServed(answer, { by, id, isMoved }) {
  assertFromBackend(answer);
  const { result } = JSON.parse(answer.text);
  if (by) assert.ok([by].flat().some(({ name }) => name === result?.by), answer.text);
  if (id) assert.equal(answer.get('Mcp-Session-Id'), id, 'the id that the client knows');
  if (isMoved !== undefined) assert.equal(moved(answer), isMoved ? 'moved' : undefined);
  return result.by;
}

// The one server that a session was opened on since clear().
export function newOwner(servers) {
  const got = servers.filter((server) => server.all('initialize').length > 0);
  assert.equal(got.length, 1, `opened on ${got.map(({ name }) => name)}`);
  return got[0];
}
