// MCP clients of the legacy era (sdk 1.x) and the raw session requests they stand on.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { request, messageOf } from './http.mjs';
import { until } from './wait.mjs';

export const clientInfo = { name: 'mcplb-e2e', version: '1.0.0' };

/**
 * A connected sdk client over Streamable HTTP. `prepare(client)` may install handlers first.
 * `exchanges` lists what the client's transport has sent: {method, status}.
 */
export async function connect(url, { capabilities = {}, prepare = () => {} } = {}) {
  const client = new Client(clientInfo, { capabilities });
  const exchanges = [];
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), {
    fetch: async (target, init) => {
      const response = await fetch(target, init);
      exchanges.push({ method: init?.method ?? 'GET', status: response.status });
      return response;
    },
  });
  prepare(client);
  await client.connect(transport);
  return { client, transport, exchanges, sessionId: transport.sessionId };
}

/** Waits until the client's standalone GET stream is open, so that no notification is missed. */
export const listening = ({ exchanges }) =>
  until(5_000, 'GET stream is open', () =>
    exchanges.some(({ method, status }) => method === 'GET' && status === 200),
  );

export const call = (client, name, args = {}, options) =>
  client.callTool({ name, arguments: args }, undefined, options);

/**
 * Asserts that `seen` is 1, 2, … `steps` in order. The last may be missing: the sdk drops a
 * progress notification that it reads together with the result.
 */
export function assertProgress(seen, steps) {
  const all = Array.from({ length: steps }, (_, index) => index + 1);
  assert.ok(seen.length >= steps - 1, `progress ${seen}`);
  assert.deepEqual(seen, all.slice(0, seen.length));
}

export const textOf = (result) => result.content[0].text;

/** The name of the replica that answers (server-everything shows its environment). */
export async function replicaOf(client) {
  return JSON.parse(textOf(await call(client, 'get-env'))).REPLICA;
}

export const headersOf = (sessionId, protocolVersion = '2025-11-25') => ({
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
  ...(sessionId && { 'mcp-session-id': sessionId, 'mcp-protocol-version': protocolVersion }),
});

/** One JSON-RPC message of a session over a connection of its own. */
export const post = (url, sessionId, body) =>
  request(new URL('/mcp', url), { headers: headersOf(sessionId), body });

/** Opens a session without an SDK and returns its id. */
export async function initialize(url, protocolVersion = '2025-11-25') {
  const params = { protocolVersion, capabilities: {}, clientInfo };
  const body = { jsonrpc: '2.0', id: 0, method: 'initialize', params };
  const answer = await post(url, undefined, body);
  const { error } = messageOf(answer);
  if (error) throw new Error(`initialize: ${answer.status} ${answer.body}`);
  const sessionId = answer.headers['mcp-session-id'];
  await post(url, sessionId, { jsonrpc: '2.0', method: 'notifications/initialized' });
  return sessionId;
}
