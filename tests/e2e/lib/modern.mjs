// Clients of the modern era (2026-07-28) and the fixture servers they talk to.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { inSuite } from './node.mjs';
import { request } from './http.mjs';
import { startReplicas } from './replicas.mjs';

export const version = '2026-07-28';

const clientInfo = { name: 'mcplb-e2e', version: '1.0.0' };

export const startModernReplicas = (count = 3) =>
  startReplicas(count, inSuite('fixtures/modern-server.mjs'));

/** What each replica has seen so far, asked past the balancer. */
export const statsOf = ({ urls }) =>
  Promise.all(urls.map(async (url) => (await fetch(new URL('/stats', url))).json()));

/** A connected 2.x client; `mode` is `{pin: version}`, `'auto'` or `'legacy'`. */
export async function connect(url, { mode = { pin: version }, capabilities = {}, prepare } = {}) {
  const client = new Client(clientInfo, { capabilities, versionNegotiation: { mode } });
  prepare?.(client);
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url)));
  return client;
}

export const call = (client, name, args = {}, options) =>
  client.callTool({ name, arguments: args }, options);

export const meta = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': clientInfo,
};

/** One raw request over its own connection; `headers` replace the mirrored ones. */
export const rawRequest = (url, id, method, params = {}, headers = {}) =>
  request(new URL('/mcp', url), {
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(params.name && { 'mcp-name': params.name }),
      ...headers,
    },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } },
  });

export const rawCall = (url, id, name, headers) =>
  rawRequest(url, id, 'tools/call', { name, arguments: {} }, headers);
