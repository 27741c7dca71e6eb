// A collector that takes OTLP over HTTP in JSON and forgives nothing: what breaks the protocol is
// among `problems`. Its definitions: https://opentelemetry.io/docs/specs/otlp/ and the messages of
// opentelemetry-proto, in the JSON form.

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { reservedPort } from './ports.mjs';
import { Signal } from './waiting.mjs';

const HEX32 = /^(?!0{32})[0-9a-f]{32}$/;
const HEX16 = /^(?!0{16})[0-9a-f]{16}$/;
const NANOS = /^[1-9][0-9]{0,19}$/;
const INT64 = /^-?(0|[1-9][0-9]{0,18})$/;
const YEAR = 365n * 24n * 3600n * 1_000_000_000n;
export const SERVER = 2;
export const CLIENT = 3;
const ERROR = 2;

const only = (object, required, optional, what) => {
  assert.equal(Object.prototype.toString.call(object), '[object Object]', `${what} is an object`);
  for (const key of required) assert.ok(key in object, `${what} has ${key}`);
  for (const key of Object.keys(object))
    assert.ok(required.includes(key) || optional.includes(key), `${what} has an unknown ${key}`);
};
const list = (value, what) => assert.ok(Array.isArray(value), `${what} is a list`);

// As a plain object: numbers are numbers, so that a test sees the type.
function readAttributes(attributes, what) {
  list(attributes, `the attributes of ${what}`);
  const read = {};
  for (const attribute of attributes) {
    only(attribute, ['key', 'value'], [], `an attribute of ${what}`);
    const { key, value } = attribute;
    assert.equal(typeof key, 'string');
    assert.ok(key.length > 0 && !(key in read), `${what} has ${key} once`);
    only(value, [], ['stringValue', 'intValue'], `${key} of ${what}`);
    assert.equal(Object.keys(value).length, 1, `${key} of ${what} has one type`);
    if ('stringValue' in value) assert.equal(typeof value.stringValue, 'string');
    else assert.match(value.intValue, INT64, `${key}: a 64-bit integer is a text`);
    read[key] = 'intValue' in value ? Number(value.intValue) : value.stringValue;
  }
  return read;
}

function readEvent(event, span) {
  only(event, ['timeUnixNano', 'name'], ['attributes'], 'an event');
  assert.match(event.timeUnixNano, NANOS);
  assert.ok(BigInt(event.timeUnixNano) >= BigInt(span.startTimeUnixNano), 'an event is in its span');
  assert.ok(BigInt(event.timeUnixNano) <= BigInt(span.endTimeUnixNano), 'an event is in its span');
  return { name: event.name, attributes: readAttributes(event.attributes ?? [], 'an event') };
}

function readSpan(span, resource) {
  only(
    span,
    ['traceId', 'spanId', 'flags', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano', 'attributes'],
    ['parentSpanId', 'traceState', 'events', 'status'],
    'a span',
  );
  assert.match(span.traceId, HEX32);
  assert.match(span.spanId, HEX16);
  if ('parentSpanId' in span) assert.match(span.parentSpanId, HEX16);
  assert.notEqual(span.parentSpanId, span.spanId);
  if ('traceState' in span) assert.match(span.traceState, /^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/);
  assert.ok(Number.isInteger(span.flags) && span.flags >= 0 && span.flags < 2 ** 32, 'flags');
  assert.equal(span.flags & 1, 1, 'a span that is sent is a sampled one');
  assert.equal(span.flags & 0x100, 0x100, 'whether the parent is remote is known');
  const isRemote = span.kind === SERVER && 'parentSpanId' in span;
  assert.equal(span.flags & 0x200, isRemote ? 0x200 : 0, 'the parent of a request is remote');
  assert.ok(typeof span.name === 'string' && span.name.length > 0 && span.name.length <= 256);
  assert.ok([SERVER, CLIENT].includes(span.kind), `kind ${span.kind} is a number of the protocol`);
  for (const at of ['startTimeUnixNano', 'endTimeUnixNano']) assert.match(span[at], NANOS);
  const [start, end] = [BigInt(span.startTimeUnixNano), BigInt(span.endTimeUnixNano)];
  const now = BigInt(Date.now()) * 1_000_000n;
  assert.ok(start <= end, 'a span ends after it starts');
  assert.ok(start > now - YEAR && end <= now + 1_000_000_000n, 'times are those of now');
  if (span.status) {
    only(span.status, ['code'], ['message'], 'a status');
    assert.equal(span.status.code, ERROR);
  }
  const attributes = readAttributes(span.attributes, span.name);
  assert.equal(typeof attributes['http.request.method'], 'string');
  if ('http.response.status_code' in attributes)
    assert.equal(typeof attributes['http.response.status_code'], 'number');
  assert.equal('error.type' in attributes, Boolean(span.status), 'an error has its type');
  list(span.events ?? [], 'events');
  return {
    ...span,
    parentSpanId: span.parentSpanId,
    start,
    end,
    attributes,
    events: (span.events ?? []).map((event) => readEvent(event, span)),
    resource,
    isError: Boolean(span.status),
  };
}

export function readExport(text) {
  const request = JSON.parse(text);
  only(request, ['resourceSpans'], [], 'a request');
  list(request.resourceSpans, 'resourceSpans');
  return request.resourceSpans.flatMap((entry) => {
    only(entry, ['resource', 'scopeSpans'], ['schemaUrl'], 'resourceSpans');
    only(entry.resource, ['attributes'], [], 'a resource');
    const resource = readAttributes(entry.resource.attributes, 'the resource');
    assert.ok(resource['service.name'], 'a resource has service.name');
    return entry.scopeSpans.flatMap((scope) => {
      only(scope, ['scope', 'spans'], ['schemaUrl'], 'scopeSpans');
      only(scope.scope, ['name'], ['version'], 'a scope');
      assert.ok(scope.spans.length > 0, 'no empty list of spans is sent');
      return scope.spans.map((span) => readSpan(span, resource));
    });
  });
}

export class Collector {
  // `tls` is {cert, key} for https.
  static async start({ port, tls } = {}) {
    const collector = new Collector();
    await collector.listen(port, tls);
    return collector;
  }

  constructor() {
    this.signal = new Signal();
    this.requests = []; // {path, headers, spans, at}
    this.problems = [];
    this.answers = []; // the next ones: {status, headers, body}; then 200
  }

  async listen(port = this.port, tls = undefined) {
    this.port = port ?? (await reservedPort());
    this.url = `${tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
    const onRequest = (request, response) => this.#take(request, response);
    this.server = tls ? https.createServer(tls, onRequest) : http.createServer(onRequest);
    this.server.unref();
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  // As a killed process: connections are reset or refused.
  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  #take(request, response) {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const { status = 200, headers = {}, body = '{}' } = this.answers.shift() ?? {};
      const seen = { path: request.url, headers: request.headers, status, at: Date.now(), spans: [] };
      try {
        assert.equal(request.method, 'POST');
        assert.equal(request.headers['content-type'], 'application/json');
        assert.match(request.headers['user-agent'], /^mcplb\//);
        seen.spans = readExport(Buffer.concat(parts).toString('utf8'));
      } catch (error) {
        this.problems.push(error.message);
      }
      this.requests.push(seen);
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body);
      this.signal.changed();
    });
  }

  // Spans of requests that were answered with 200.
  get spans() {
    return this.requests.filter(({ status }) => status === 200).flatMap(({ spans }) => spans);
  }

  assertSound() {
    assert.deepEqual(this.problems, [], 'what mcplb sent to the collector');
    const ids = this.spans.map(({ spanId }) => spanId);
    assert.equal(new Set(ids).size, ids.length, 'no span is sent twice');
  }

  // The spans for which `matches`, when there are as many.
  until(count, matches = () => true, limit = undefined) {
    return this.signal.until(
      () => {
        const found = this.spans.filter(matches);
        return found.length >= count && found;
      },
      () => `${count} spans; there are ${JSON.stringify(this.spans.map(({ name, kind }) => [name, kind]))}, problems ${this.problems}`,
      limit,
    );
  }
}
