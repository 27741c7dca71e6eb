// Scripted servers that behave as plain ones do: each knows the sessions that it opened itself, and
// keeps every request in order, so that a test sees exactly what a move sends.

import assert from 'node:assert/strict';
import { chunk, event, json, reply, sseHead } from './bytes.mjs';
import { ScriptedBackend } from './scripted_backend.mjs';

// Instead of an answer.
export const SILENCE = Buffer.alloc(0);

const error = (code, message) => (seen) =>
  JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: seen.message?.id ?? null });
const withStatus = (status, body) => (seen) => json(body(seen), { status });

// How servers in the field say that they do not know a session.
export const dialects = {
  'a 404 without a body': () => reply(404),
  'the 404 of the TypeScript SDK': withStatus(404, error(-32001, 'Session not found')),
  'the 404 of the Python SDK': withStatus(404, error(-32600, 'Session not found')),
  'the 400 of the official examples': withStatus(
    400,
    error(-32000, 'Bad Request: No valid session ID provided'),
  ),
  'a 400 of a server that was never initialized': withStatus(
    400,
    error(-32000, 'Bad Request: Server not initialized'),
  ),
  'a 400 in plain words': () => reply(400, { body: 'Invalid session ID' }),
};

const CAPABILITIES = { tools: {}, logging: {}, resources: { subscribe: true } };

export class PlainServer extends ScriptedBackend {
  #serial = 0; // never begins anew: a store remembers ids longer than a test lasts

  static async start(name, { host, port } = {}) {
    const server = new PlainServer(undefined, undefined, name);
    server.script = (seen, connection) => server.#serve(seen, connection);
    if (host) server.host = host;
    server.reset();
    await server.listen(port);
    return server;
  }

  reset() {
    this.sessions = new Map(); // id → {level, uris, streams}
    this.answer = undefined; // (seen, connection) → bytes instead, or undefined
    this.dialect = dialects['the 404 of the TypeScript SDK'];
    this.version = undefined; // the one that it offers whatever is asked; else what is asked
    this.capabilities = CAPABILITIES;
    this.clear();
  }

  get id() {
    return `${this.host}:${this.port}`;
  }

  // As a killed process: connections are reset or refused, and nothing is remembered.
  async die() {
    this.sessions.clear();
    for (const { socket } of this.connections) socket.resetAndDestroy();
    await this.stop();
    this.connections = [];
  }

  // As after a quick restart that nobody saw.
  forget() {
    this.sessions.clear();
  }

  // What came, in order: methods of JSON-RPC, "response", "GET" or "DELETE".
  get arrived() {
    return this.requests.map(nameOf);
  }

  all(name) {
    return this.requests.filter((seen) => nameOf(seen) === name);
  }

  get onlySession() {
    assert.equal(this.sessions.size, 1, `sessions of ${this.name}`);
    return [...this.sessions.keys()][0];
  }

  // To every GET stream of the session.
  async notify(id, message) {
    for (const connection of this.sessions.get(id).streams) await connection.send(chunk(event(message)));
  }

  async #serve(seen, connection) {
    const special = await this.answer?.(seen, connection);
    if (special !== undefined) return connection.send(special);
    if (seen.message?.method === 'initialize') return connection.send(this.#open(seen));
    if (seen.target.startsWith('/health')) return connection.send(reply(200));
    const id = seen.get('Mcp-Session-Id');
    if (!this.sessions.has(id)) return connection.send(this.dialect(seen));
    return connection.send(this.#ofSession(id, seen, connection));
  }

  #open({ message }) {
    const id = `${this.name}-${process.pid}-${(this.#serial += 1)}`;
    this.sessions.set(id, { level: undefined, uris: new Set(), streams: [] });
    const result = {
      protocolVersion: this.version ?? message.params.protocolVersion,
      capabilities: this.capabilities,
      serverInfo: { name: this.name, version: '1' },
    };
    const headers = [['Mcp-Session-Id', id]];
    return json({ jsonrpc: '2.0', id: message.id, result }, { headers });
  }

  #ofSession(id, { method, message }, connection) {
    const session = this.sessions.get(id);
    const headers = [['Mcp-Session-Id', id]];
    if (method === 'DELETE') {
      this.sessions.delete(id);
      return reply(200);
    }
    if (method === 'GET') {
      session.streams.push(connection);
      return sseHead(headers);
    }
    if (message.method === 'logging/setLevel') session.level = message.params.level;
    if (message.method === 'resources/subscribe') session.uris.add(message.params.uri);
    if (message.method === 'resources/unsubscribe') session.uris.delete(message.params.uri);
    if (message.id === undefined || message.method === undefined) return reply(202);
    return json({ jsonrpc: '2.0', id: message.id, result: this.#resultOf(message) }, { headers });
  }

  #resultOf({ params }) {
    const text = `Echo: ${params?.arguments?.message}`; // for the clients of lib/traffic.mjs
    return { by: this.name, content: [{ type: 'text', text }] };
  }
}

function nameOf({ method, message }) {
  if (method !== 'POST') return method;
  return message?.method ?? 'response';
}

export const startPlainServers = (...names) =>
  Promise.all(names.map((name) => PlainServer.start(name)));
