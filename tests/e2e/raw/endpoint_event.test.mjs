// HTTP+SSE of 2024-11-05: the endpoint event says where to post.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, chunk, get, LAST_CHUNK, reply, request, sseHead, utf8 } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import {
  backends,
  balancer,
  clear,
  newId,
  receiver,
  send,
  total,
  unknown,
} from './lib/sessions.mjs';
import { poll } from './lib/waiting.mjs';

describe('the endpoint event', () => {
  const POSTED = utf8(JSON.stringify(ask('ping', 1)));

  // Opens GET /sse; every backend announces what `uri(id)` says, in the given manner.
  async function openSse(
    {
      uri,
      write = (connection, data) => connection.send(chunk(data)),
      name = 'endpoint',
      host = 'mcp.example.com',
    },
    use,
  ) {
    const id = newId('e');
    for (const backend of backends) {
      backend.script = async (seen, connection) => {
        if (seen.method !== 'GET')
          return connection.send(reply(202, { body: `Accepted by ${backend.name}` }));
        backend.stream = connection;
        await connection.send(sseHead());
        return write(connection, `event: ${name}\ndata: ${uri(id)}\n\n`);
      };
    }
    await RawClient.with(balancer.url, async (client) => {
      client.send(get('/sse', { host, headers: [['Accept', 'text/event-stream']] }));
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('\n\n');
      assert.equal(
        answer.body.text,
        `event: ${name}\ndata: ${uri(id)}\n\n`,
        'the event is relayed as it is',
      );
      const owner = receiver();
      clear();
      await use({
        id,
        owner,
        client,
        answer,
        target: `/${uri(id)
          .replace(/^[a-z]+:\/\/[^/]+/, '')
          .replace(/^\//, '')}`,
      });
    });
  }

  const postTo = (target, more) =>
    send(
      request('POST', target, {
        headers: [['Content-Type', 'application/json']],
        body: POSTED,
        ...more,
      }),
    );

  async function forgotten(target) {
    await poll(async () => (await postTo(target)).status === 404, `${target} to be forgotten`);
    clear();
    assertOwnReply(await postTo(target), unknown(1));
    assert.equal(total(), 0);
  }

  const forms = [
    ['sessionId', (id) => `/messages?sessionId=${id}`],
    ['session_id', (id) => `/messages/?session_id=${id}`],
    ['sessionId behind another parameter', (id) => `/messages?x=1&sessionId=${id}`],
    ['sessionId before another parameter', (id) => `/messages?sessionId=${id}&x=1`],
    ['an absolute URL', (id) => `http://mcp.example.com/messages?sessionId=${id}`],
    [
      'an absolute URL with session_id',
      (id) => `http://mcp.example.com/messages/?session_id=${id}`,
    ],
  ];
  for (const [what, uri] of forms) {
    test(`with ${what} sends posts to the backend that emitted it`, () =>
      openSse({ uri }, async ({ owner, target }) => {
        for (let n = 0; n < 4; n += 1) {
          const answer = await postTo(target);
          assertFromBackend(answer, 202);
          assert.equal(answer.text, `Accepted by ${owner.name}`);
          assert.equal(owner.last.target, target);
        }
      }));
  }

  for (const [what, write] of [
    [
      'byte by byte',
      (connection, data) =>
        connection.sendSlowly(Buffer.concat([...data].map((letter) => chunk(letter)))),
    ],
    ['split inside a chunk', (connection, data) => connection.sendSlowly(chunk(data))],
    ['with CRLF', null],
    ['with CR', null],
    ['without a blank behind the colon', null],
    ['behind a comment', null],
  ]) {
    test(`that comes ${what} is understood`, async () => {
      const shapes = {
        'with CRLF': (data) => data.replaceAll('\n', '\r\n'),
        'with CR': (data) => data.replaceAll('\n', '\r'),
        'without a blank behind the colon': (data) => data.replaceAll(': ', ':'),
        'behind a comment': (data) => `: hello\n\n${data}`,
      };
      const id = newId('e');
      for (const backend of backends) {
        backend.script = async (seen, connection) => {
          if (seen.method !== 'GET')
            return connection.send(reply(202, { body: `Accepted by ${backend.name}` }));
          await connection.send(sseHead());
          const data = `event: endpoint\ndata: /messages?sessionId=${id}\n\n`;
          return write ? write(connection, data) : connection.send(chunk(shapes[what](data)));
        };
      }
      await RawClient.with(balancer.url, async (client) => {
        client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
        const answer = await client.open({ method: 'GET' });
        await answer.body.until((text) => text.includes(id) && /(\n\n|\r\r|\r\n\r\n)$/.test(text));
        const owner = receiver();
        clear();
        for (let n = 0; n < 4; n += 1)
          assert.equal(
            (await postTo(`/messages?sessionId=${id}`)).text,
            `Accepted by ${owner.name}`,
          );
      });
    });
  }

  test('is forgotten when its GET ends by the client', () =>
    openSse({ uri: (id) => `/messages?sessionId=${id}` }, async ({ owner, client, target }) => {
      client.destroy();
      await owner.stream.left();
      await forgotten(target);
    }));

  test('is forgotten when its GET ends by the backend', () =>
    openSse({ uri: (id) => `/messages?sessionId=${id}` }, async ({ owner, answer, target }) => {
      await owner.stream.send(LAST_CHUNK);
      await answer.body.finish();
      await forgotten(target);
    }));

  test('is known before the client has read it, many times over', async () => {
    for (const backend of backends) {
      backend.script = async (seen, connection) => {
        if (seen.method !== 'GET') return connection.send(reply(202, { body: backend.name }));
        return connection.send(
          Buffer.concat([
            sseHead(),
            chunk(`event: endpoint\ndata: /messages?sessionId=${newId('m')}\n\n`),
          ]),
        );
      };
    }
    await Promise.all(
      Array.from({ length: 20 }, () =>
        RawClient.with(balancer.url, async (client) => {
          client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
          const answer = await client.open({ method: 'GET' });
          await answer.body.until('\n\n');
          const target = /data: (.*)\n/.exec(answer.body.text)[1];
          assertFromBackend(await postTo(target), 202);
        }),
      ),
    );
  });

  test('of another name is nothing', () =>
    openSse({ uri: (id) => `/messages?sessionId=${id}`, name: 'message' }, async ({ target }) => {
      const answer = await postTo(target);
      assert.ok(answer.status === 404 || answer.status === 202);
    }));
});

test('what reached the backends was well formed', () =>
  backends.forEach((backend) => backend.assertSound()));
