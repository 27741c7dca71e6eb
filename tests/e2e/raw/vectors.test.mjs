// The message vectors of the specification, in both directions through the balancer.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  chunk,
  chunked,
  initialize,
  initializeResult,
  json,
  modern,
  parseHead,
  post,
  utf8,
} from './lib/bytes.mjs';
import { assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { backends, balancer, clear, newId, receiver, send, total } from './lib/sessions.mjs';

const VECTORS = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8'));

describe('the message vectors of the specification', () => {
  const cut = (raw) => {
    const data = utf8(raw);
    const at = data.indexOf('\r\n\r\n') + 4;
    return { head: parseHead(data.subarray(0, at)), body: data.subarray(at) };
  };
  // What mcplb answers itself instead of asking a backend.
  const local = {
    V4: (message) =>
      message.includes('dead01') && { status: 404, reason: 'session_unknown', code: -32001, id: 4 },
    V12: (message) =>
      message.includes('Mcp-Name: a\r\n') && {
        status: 400,
        reason: 'header_mismatch',
        code: -32020,
        id: 12,
      },
  };

  // Requests of a vector, each with the replies that a backend may give.
  function* exchanges({ id, messages }) {
    const list =
      id === 'V11'
        ? [
            {
              dir: 'c>s',
              raw: post(modern('tools/call', 11, { name: 'x', arguments: {} }), {
                headers: [
                  ['MCP-Protocol-Version', '2026-07-28'],
                  ['Mcp-Method', 'tools/call'],
                  ['Mcp-Name', 'x'],
                ],
              }).toString('utf8'),
            },
            ...messages,
          ]
        : messages;
    let asked;
    let answered = true;
    const fallback = 'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n';
    for (const { dir, raw } of list) {
      if (dir === 'c>s') {
        if (!answered) yield [asked, fallback];
        asked = raw;
        answered = false;
      } else {
        answered = true;
        yield [asked, raw];
      }
    }
    if (!answered) yield [asked, fallback];
  }

  for (const vector of VECTORS) {
    test(`${vector.id}: ${vector.title}`, async () => {
      const session = newId('v');
      const fresh = (raw) =>
        raw
          .replaceAll('7f3c9a', session)
          .replaceAll('t-9f2', `t-${session}`)
          .replaceAll('sessionId=b1', `sessionId=${session}`);
      // The message with this run's ids and the framing that they need.
      const reframed = (raw) => {
        const { head, body } = cut(raw);
        const text = utf8(
          fresh(head.has('transfer-encoding') ? dechunked(body) : body.toString('utf8')),
        );
        const start = fresh(raw.slice(0, raw.indexOf('\r\n\r\n') + 4)).replace(
          /content-length: *\d+/i,
          `Content-Length: ${text.length}`,
        );
        const events = text.toString('utf8').split(/(?<=\n\n)/);
        const framed = head.has('transfer-encoding') ? chunked(...events.map(utf8)) : text;
        return {
          head: parseHead(utf8(start)),
          body: text,
          events,
          start: utf8(start),
          data: Buffer.concat([utf8(start), framed]),
        };
      };
      let current;
      for (const backend of backends)
        backend.script = (seen, connection) => connection.send(current);
      // Vectors in the middle of a session start with one.
      if (
        vector.messages.some(({ raw }) => raw.includes('7f3c9a')) &&
        !vector.messages[0].raw.includes('"initialize"')
      ) {
        current = json(initializeResult(), { headers: [['Mcp-Session-Id', session]] });
        await send(post(initialize()));
      }
      const held = [];
      let deleted = false;
      for (const [askedRaw, answerRaw] of exchanges(vector)) {
        const asked = reframed(askedRaw);
        const answer = reframed(answerRaw);
        const [method] = asked.head.first.split(' ');
        current = answer.data;
        clear();
        const client = await RawClient.connect(balancer.url);
        held.push(client);
        // The stream that announces an endpoint stays open while it is used.
        const endless = answer.events[0].startsWith('event: endpoint');
        if (endless) current = Buffer.concat([answer.start, chunk(answer.events[0])]);
        client.send(asked.data);
        const mine =
          deleted && asked.head.has('Mcp-Session-Id')
            ? { status: 404, reason: 'session_unknown' }
            : local[vector.id]?.(askedRaw);
        if (mine) {
          assertOwnReply(await client.reply({ method }), mine);
          assert.equal(total(), 0);
          continue;
        }
        const got = await client.open({ method });
        if (endless) await got.body.until('\n\n');
        else {
          await got.body.finish();
          assert.equal(got.body.broken, null);
        }
        const seen = receiver().last;
        assert.equal(seen.method, method);
        assert.equal(seen.target, asked.head.first.split(' ')[1]);
        assert.deepEqual(seen.body, asked.body);
        for (const name of asked.head.names().filter((key) => key !== 'content-length'))
          assert.deepEqual(seen.all(name), asked.head.all(name), name);
        assert.equal(got.status, Number(answer.head.first.split(' ')[1]));
        for (const name of answer.head
          .names()
          .filter((key) => !['content-length', 'transfer-encoding', 'connection'].includes(key))) {
          assert.deepEqual(got.all(name), answer.head.all(name), name);
        }
        if (!endless) assert.equal(got.body.text, answer.body.toString('utf8'));
        if (method === 'DELETE' && got.status < 300) deleted = true;
      }
      for (const client of held) client.destroy();
    });
  }

  function dechunked(body) {
    let at = 0;
    const parts = [];
    for (;;) {
      const end = body.indexOf('\r\n', at);
      const size = parseInt(body.toString('latin1', at, end), 16);
      if (size === 0) return Buffer.concat(parts).toString('utf8');
      parts.push(body.subarray(end + 2, end + 2 + size));
      at = end + 4 + size;
    }
  }
});

test('what reached the backends was well formed', () =>
  backends.forEach((backend) => backend.assertSound()));
