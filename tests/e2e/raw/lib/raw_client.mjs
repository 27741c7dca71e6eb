// A client that writes the bytes it is told to and reports what comes back, byte for byte.

import assert from 'node:assert/strict';
import net from 'node:net';
import { bytes, parseHead } from './bytes.mjs';
import { LIMIT, pause, Signal } from './waiting.mjs';

const MARK = bytes('\r\n\r\n');
const HEX = /^[0-9a-fA-F]{1,16}$/;

export class RawClient {
  #signal = new Signal();

  static connect(where, options = {}) {
    return new Promise((resolve, reject) => {
      const client = new RawClient(
        net.connect({ allowHalfOpen: true, noDelay: true, ...address(where), ...options }),
      );
      client.socket.once('connect', () => {
        client.socket.unref(); // a test that failed half-way must not keep the process
        resolve(client);
      });
      client.socket.once('error', reject);
    });
  }

  // Runs `use` with a fresh connection that is gone afterwards.
  static async with(where, use, options = {}) {
    const client = await RawClient.connect(where, options);
    try {
      return await use(client);
    } finally {
      client.destroy();
    }
  }

  constructor(socket) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.ended = null; // null | 'fin' | 'reset'
    socket.on('data', (data) => {
      this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
      this.#signal.changed();
    });
    // A reset right behind data comes as an end: libuv takes the hang-up for one. The error still
    // waits in the socket, and an empty write brings it out without sending anything.
    socket.on('end', () => {
      if (!socket.writable) this.#end('fin');
      else socket.write(Buffer.alloc(0), (error) => this.#end(error ? 'reset' : 'fin'));
    });
    socket.on('error', () => this.#end('reset'));
    socket.on('close', () => this.#end('fin'));
  }

  #end(how) {
    this.ended ??= how;
    this.#signal.changed();
  }

  until(check, what, limit) {
    return this.#signal.until(
      check,
      () =>
        `${typeof what === 'function' ? what() : what}; unread: ${this.#unread()}; ${
          this.ended ? `connection ended (${this.ended})` : 'connection open'
        }`,
      limit,
    );
  }

  #unread() {
    return JSON.stringify(this.buffer.subarray(0, 400).toString('latin1'));
  }

  send(data) {
    this.socket.write(bytes(data));
    return this;
  }

  // Each byte (or run of `size` bytes) is a write of its own.
  async sendSlowly(data, size = 1) {
    const all = bytes(data);
    for (let at = 0; at < all.length && !this.ended; at += size) {
      await new Promise((done) => this.socket.write(all.subarray(at, at + size), done));
      await new Promise(setImmediate);
    }
  }

  halfClose() {
    this.socket.end();
    return this;
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  destroy() {
    this.socket.destroy();
  }

  take(length) {
    const taken = this.buffer.subarray(0, length);
    this.buffer = this.buffer.subarray(length);
    return taken;
  }

  // One head, up to and including its blank line.
  async head({ limit } = {}) {
    const at = await this.until(
      () => {
        const found = this.buffer.indexOf(MARK);
        if (found >= 0) return found + 1;
        if (this.ended)
          throw new Error(
            `connection ended (${this.ended}) before a whole head; got ${this.#unread()}`,
          );
        return false;
      },
      'a reply head',
      limit,
    );
    const head = parseHead(this.take(at - 1 + MARK.length));
    const match = /^HTTP\/1\.([01]) ([1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*$/.exec(head.first);
    assert.ok(match, `status line ${JSON.stringify(head.first)}`);
    head.minor = Number(match[1]);
    head.status = Number(match[2]);
    return head;
  }

  // The final head of a reply with a Body to read from; 1xx heads are collected on the way.
  async open({ method = 'POST', limit } = {}) {
    const informational = [];
    let head = await this.head({ limit });
    while (head.status < 200 && head.status !== 101) {
      informational.push(head);
      head = await this.head({ limit });
    }
    head.informational = informational;
    head.body = new Body(this, method, head);
    return head;
  }

  // A whole reply. Throws when the body breaks off; see brokenReply() for that.
  async reply(options = {}) {
    const head = await this.open(options);
    await head.body.finish(options);
    assert.equal(head.body.broken, null, `the body broke off after ${head.body.length} bytes`);
    head.text = head.body.text;
    return head;
  }

  // A reply whose body must not end cleanly; returns its head, `body` holds what came.
  async brokenReply(options = {}) {
    const head = await this.open(options);
    await head.body.finish(options);
    assert.notEqual(
      head.body.broken,
      null,
      `the body ended cleanly after ${head.body.length} bytes: ${head.body.text.slice(-200)}`,
    );
    return head;
  }

  async exchange(data, options = {}) {
    this.send(data);
    return this.reply(options);
  }

  // The other side closes without a byte more. Resolves with 'fin' or 'reset'.
  async closed({ limit } = {}) {
    await this.until(
      () => this.ended !== null || this.buffer.length > 0,
      'the connection to end',
      limit,
    );
    assert.equal(this.#unread(), '""', 'bytes where the end of the connection was expected');
    return this.ended;
  }

  // The other side closes, whatever it still sends.
  async ending({ limit } = {}) {
    await this.until(() => this.ended !== null, 'the connection to end', limit);
    return this.ended;
  }

  // Nothing arrives for `ms`, and the connection stays open.
  async silent(ms) {
    await pause(ms);
    assert.equal(this.#unread(), '""', 'bytes where silence was expected');
    assert.equal(this.ended, null, 'the connection ended where silence was expected');
  }
}

function address(where) {
  if (typeof where === 'number') return { port: where, host: '127.0.0.1' };
  if (typeof where === 'object') return where;
  const url = new URL(where);
  return { port: Number(url.port), host: url.hostname.replace(/^\[|\]$/g, '') };
}

// The body of one reply, decoded as it comes.
class Body {
  #parts = [];
  #joined = Buffer.alloc(0);

  constructor(client, method, head) {
    this.client = client;
    this.length = 0;
    this.done = false;
    this.broken = null;
    this.trailers = [];
    this.sizes = []; // chunk sizes as received
    const codings = head.get('transfer-encoding');
    const length = head.get('content-length');
    if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.status === 101) {
      this.framing = 'none';
      this.done = true;
    } else if (codings !== undefined) {
      assert.equal(codings.toLowerCase(), 'chunked', 'Transfer-Encoding of a reply');
      this.framing = 'chunked';
      this.left = null;
    } else if (length !== undefined) {
      assert.match(length, /^[0-9]+$/, 'Content-Length of a reply');
      this.framing = 'length';
      this.left = Number(length);
    } else {
      this.framing = 'close';
    }
  }

  get data() {
    if (this.#parts.length) {
      this.#joined = Buffer.concat([this.#joined, ...this.#parts]);
      this.#parts = [];
    }
    return this.#joined;
  }

  get text() {
    return this.data.toString('utf8');
  }

  get json() {
    return JSON.parse(this.text);
  }

  #keep(data) {
    if (!data.length) return;
    this.length += data.length;
    this.#parts.push(Buffer.from(data));
  }

  advance() {
    while (!this.done && this.#step());
    if (!this.done && this.client.ended) {
      if (this.framing === 'close' && this.client.ended === 'fin') this.done = true;
      else this.broken = this.client.ended;
    }
    return this.done || this.broken !== null;
  }

  #step() {
    const { client } = this;
    if (this.framing === 'close') {
      this.#keep(client.take(client.buffer.length));
      return false;
    }
    if (this.framing === 'length') {
      const taken = client.take(Math.min(this.left, client.buffer.length));
      this.left -= taken.length;
      this.#keep(taken);
      this.done = this.left === 0;
      return false;
    }
    return this.#chunkStep();
  }

  #chunkStep() {
    const { client } = this;
    if (this.left === null || this.left === 'trailers') {
      const at = client.buffer.indexOf('\r\n');
      if (at < 0) return false;
      const line = client.take(at + 2).toString('latin1', 0, at);
      if (this.left === 'trailers') {
        if (line === '') this.done = true;
        else this.trailers.push(line);
        return true;
      }
      assert.match(line, HEX, `chunk size line ${JSON.stringify(line)}`);
      const size = parseInt(line, 16);
      this.sizes.push(size);
      this.left = size === 0 ? 'trailers' : size;
      return true;
    }
    if (this.left > 0) {
      const taken = client.take(Math.min(this.left, client.buffer.length));
      if (!taken.length) return false;
      this.left -= taken.length;
      this.#keep(taken);
      return true;
    }
    if (client.buffer.length < 2) return false;
    assert.equal(client.take(2).toString('latin1'), '\r\n', 'CRLF after the data of a chunk');
    this.left = null;
    return true;
  }

  // Waits until the decoded body contains `marker` (text, or a predicate on the text).
  async until(marker, { limit = LIMIT } = {}) {
    const holds = typeof marker === 'function' ? marker : (text) => text.includes(marker);
    return this.client.until(
      () => {
        const over = this.advance();
        if (holds(this.text)) return this;
        if (over)
          throw new Error(
            `body over (broken: ${this.broken}) without ${marker}: ${this.text.slice(-400)}`,
          );
        return false;
      },
      () => `${marker} in the body, which is ${JSON.stringify(this.text.slice(-400))}`,
      limit,
    );
  }

  // Waits for the end, clean (done) or not (broken).
  async finish({ limit = LIMIT } = {}) {
    await this.client.until(
      () => this.advance(),
      `the end of a body, ${this.length} bytes so far`,
      limit,
    );
    return this;
  }

  // Nothing more of the body arrives for `ms`.
  async silent(ms) {
    this.advance();
    const before = this.length;
    await pause(ms);
    this.advance();
    assert.equal(
      this.data.subarray(before).toString('latin1'),
      '',
      'body bytes where silence was expected',
    );
    assert.equal(this.broken, null, 'the stream broke where silence was expected');
  }
}
