// Building and reading HTTP/1.1 messages as bytes, with nothing hidden.

import assert from 'node:assert/strict';

// Strings stand for bytes (latin1), so that any octet can be written; JSON goes through utf8().
export const bytes = (data) => (Buffer.isBuffer(data) ? data : Buffer.from(data, 'latin1'));
export const utf8 = (text) => Buffer.from(text, 'utf8');

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// The fields of one head, in order, with the look-ups that tests need.
export class Head {
  constructor(first, headers) {
    this.first = first;
    this.headers = headers;
  }

  all(name) {
    const wanted = name.toLowerCase();
    return this.headers.filter(([key]) => key.toLowerCase() === wanted).map(([, value]) => value);
  }

  get(name) {
    const values = this.all(name);
    return values.length ? values.join(', ') : undefined;
  }

  has(name) {
    return this.all(name).length > 0;
  }

  names() {
    return this.headers.map(([name]) => name.toLowerCase());
  }
}

// Strict on purpose: whatever mcplb writes has to be beyond doubt.
export function parseHead(raw) {
  const text = bytes(raw).toString('latin1');
  const lines = text.split('\r\n');
  const first = lines.shift();
  for (const line of [first, ...lines]) {
    assert.doesNotMatch(
      line,
      /[\r\n\0]/,
      `bare CR, bare LF or NUL in a head: ${JSON.stringify(line)}`,
    );
  }
  const headers = lines
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      assert.ok(colon > 0, `header line without a name: ${JSON.stringify(line)}`);
      const name = line.slice(0, colon);
      assert.match(name, TOKEN, `header name: ${JSON.stringify(line)}`);
      return [name, line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
    });
  const head = new Head(first, headers);
  assert.ok(
    !(head.has('content-length') && head.has('transfer-encoding')),
    `both Content-Length and Transfer-Encoding in: ${text}`,
  );
  assert.ok(head.all('content-length').length <= 1, `several Content-Length lines in: ${text}`);
  assert.ok(
    head.all('transfer-encoding').length <= 1,
    `several Transfer-Encoding lines in: ${text}`,
  );
  return head;
}

export const lines = (...all) => bytes(all.join('\r\n') + '\r\n\r\n');

// A request with exact framing; `headers` is a list of [name, value].
export function request(
  method,
  target,
  { host = 'mcp.example.com', version = '1.1', headers = [], body } = {},
) {
  const list = [];
  if (host !== null) list.push(['Host', host]);
  list.push(...headers);
  if (body !== undefined) list.push(['Content-Length', String(bytes(body).length)]);
  const head = lines(`${method} ${target} HTTP/${version}`, ...list.map(([k, v]) => `${k}: ${v}`));
  return body === undefined ? head : Buffer.concat([head, bytes(body)]);
}

export const get = (target = '/', options = {}) => request('GET', target, options);

// An MCP POST; `message` is an object or JSON text.
export function post(message, { target = '/mcp', headers = [], session, ...rest } = {}) {
  const body = utf8(typeof message === 'string' ? message : JSON.stringify(message));
  const own = [
    ['Content-Type', 'application/json'],
    ['Accept', 'application/json, text/event-stream'],
  ];
  if (session !== undefined) own.push(['Mcp-Session-Id', session]);
  return request('POST', target, { ...rest, headers: [...own, ...headers], body });
}

export const call = (id, name = 'echo', args = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});
export const ask = (method, id, params) =>
  params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params };
export const initialize = (id = 0, version = '2025-06-18') =>
  ask('initialize', id, {
    protocolVersion: version,
    capabilities: {},
    clientInfo: { name: 't', version: '1' },
  });
export const initializeResult = (id = 0, version = '2025-06-18') => ({
  jsonrpc: '2.0',
  id,
  result: {
    protocolVersion: version,
    capabilities: { tools: {} },
    serverInfo: { name: 's', version: '1' },
  },
});

export const MODERN = '2026-07-28';
export const modernMeta = (version = MODERN) => ({
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
});
export const modern = (method, id, params = {}, version = MODERN) =>
  ask(method, id, { ...params, _meta: modernMeta(version) });

// A reply with exact framing.
export function reply(status, { headers = [], body = '', version = '1.1', reason = 'X' } = {}) {
  const data = bytes(body);
  return Buffer.concat([
    lines(
      `HTTP/${version} ${status} ${reason}`,
      ...headers.map(([k, v]) => `${k}: ${v}`),
      `Content-Length: ${data.length}`,
    ),
    data,
  ]);
}

export const json = (message, { status = 200, headers = [] } = {}) =>
  reply(status, {
    headers: [['Content-Type', 'application/json'], ...headers],
    body: utf8(typeof message === 'string' ? message : JSON.stringify(message)),
  });

export const chunk = (data) =>
  Buffer.concat([bytes(`${bytes(data).length.toString(16)}\r\n`), bytes(data), bytes('\r\n')]);
export const LAST_CHUNK = bytes('0\r\n\r\n');
export const chunked = (...parts) => Buffer.concat([...parts.map(chunk), LAST_CHUNK]);

export const sseHead = (headers = []) =>
  lines(
    'HTTP/1.1 200 OK',
    'Content-Type: text/event-stream',
    'Cache-Control: no-cache',
    ...headers.map(([k, v]) => `${k}: ${v}`),
    'Transfer-Encoding: chunked',
  );
export const event = (data, name = 'message') =>
  `event: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
