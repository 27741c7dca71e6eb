// A session whose owner is gone is opened again on another backend, and its client notices nothing.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { logText } from './lib/balancer.mjs';
import { chunk, event, initialize, post, sseHead } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import {
  asking,
  assertServed,
  callOf,
  list,
  moved,
  newOwner,
  notify,
  sendTo,
  stage,
  VERSION,
} from './lib/moves.mjs';
import { SILENCE } from './lib/plain_servers.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { erase, streamGet, unknown } from './lib/sessions.mjs';
import { poll } from './lib/waiting.mjs';

const scene = stage('a', 'b', 'c');
const OPENING = ['initialize', 'notifications/initialized'];
const as = (who) => [['Authorization', `Bearer ${who}`]];
const sessionOf = (seen) => seen.get('Mcp-Session-Id');

describe('opening a session again', () => {
  test('sends initialize, notifications/initialized, the level and the subscriptions, then the request', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const [method, params] of [
      ['logging/setLevel', { level: 'debug' }],
      ['resources/subscribe', { uri: 'demo://one' }],
      ['resources/subscribe', { uri: 'demo://two' }],
      ['resources/unsubscribe', { uri: 'demo://two' }],
      ['logging/setLevel', { level: 'error' }],
    ])
      assertFromBackend(await sendTo(balancer, asking(id, method, params)));
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
    const next = newOwner(others);
    assert.deepEqual(next.arrived, [
      ...OPENING,
      'logging/setLevel',
      'resources/subscribe',
      'tools/list',
    ]);
    assert.deepEqual(next.all('logging/setLevel')[0].message.params, { level: 'error' });
    assert.deepEqual(next.all('resources/subscribe')[0].message.params, { uri: 'demo://one' });
    const idle = others.find((server) => server !== next);
    assert.deepEqual(idle.arrived, [], 'nobody else is sent anything');
  });

  test('repeats what the client said in its initialize', async () => {
    const balancer = await scene.start();
    const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } };
    const clientInfo = { name: 'söme client', version: '1.2.3', title: 'Some' };
    const message = { ...initialize(7, VERSION) };
    message.params = { protocolVersion: VERSION, capabilities, clientInfo };
    const { id, owner, others } = await scene.open(balancer, { message });
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { id });
    const [again] = newOwner(others).all('initialize');
    assert.deepEqual(again.message.params, message.params);
    assert.equal(sessionOf(again), undefined, 'an initialize names no session');
    assert.match(again.get('Accept'), /application\/json.*text\/event-stream/);
    assert.equal(again.get('Content-Type'), 'application/json');
  });

  test('uses the new id of the backend, and the version that was agreed on', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { id });
    const next = newOwner(others);
    for (const seen of next.requests.slice(1)) {
      assert.equal(sessionOf(seen), next.onlySession);
      assert.equal(seen.get('MCP-Protocol-Version'), VERSION);
    }
    assert.notEqual(next.onlySession, id);
  });

  test('lets itself in with the credentials of the current request', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer, { headers: as('SECRET-of-before') });
    await owner.die();
    const answer = await sendTo(balancer, list(id, { headers: as('SECRET-of-now') }));
    assertServed(answer, { id });
    for (const seen of newOwner(others).requests)
      assert.equal(seen.get('Authorization'), 'Bearer SECRET-of-now', seen.text);
    assert.doesNotMatch(logText(balancer), /SECRET/);
  });

  test('goes to the host and path that the client uses', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { id });
    for (const seen of newOwner(others).requests) {
      assert.equal(seen.get('Host'), 'mcp.example.com');
      assert.equal(seen.target, '/mcp');
    }
  });

  test('understands an answer that comes as an event stream', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others) {
      server.answer = async ({ message }, connection) => {
        if (message?.method !== 'initialize') return undefined;
        server.sessions.set(`sse-${server.name}`, { uris: new Set(), streams: [] });
        const { capabilities } = server;
        const result = { protocolVersion: VERSION, capabilities, serverInfo: { name: 's', version: '1' } };
        await connection.send(sseHead([['Mcp-Session-Id', `sse-${server.name}`]]));
        await connection.send(chunk('id: 1\ndata: \n\n'));
        await connection.send(chunk(event({ jsonrpc: '2.0', id: message.id, result })));
        return '0\r\n\r\n';
      };
    }
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
  });

  test('is done once for twenty calls at the same time', async () => {
    const balancer = await scene.start({}, {}, { workers: 2 });
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    const ids = Array.from({ length: 20 }, (_, n) => n + 1);
    const answers = await Promise.all(ids.map((n) => sendTo(balancer, callOf(id, { id: n }))));
    for (const answer of answers) assertServed(answer, { by: others, id });
    const next = newOwner(others);
    assert.equal(next.all('initialize').length, 1);
    assert.equal(next.all('notifications/initialized').length, 1);
    assert.equal(next.all('tools/call').length, 20);
  });
});

describe('a client whose session moved', () => {
  test('is told so by the first reply and by no other', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    const before = await sendTo(balancer, list(id));
    assertServed(before, { by: owner, id, isMoved: false });
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
    for (let n = 0; n < 3; n += 1)
      assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: false });
    const line = logText(balancer)
      .split('\n')
      .filter((text) => /moved/.test(text));
    assert.ok(line.length >= 1, 'a log line says so');
    assert.ok(!logText(balancer).includes(id), 'no session id is logged');
    assert.ok(!logText(balancer).includes(newOwner(others).onlySession), 'nor that of the backend');
  });

  test('goes on on the connection that it has', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await RawClient.with(balancer.url, async (client) => {
      assertServed(await client.exchange(list(id)), { by: owner, id });
      await owner.die();
      assertServed(await client.exchange(list(id)), { by: others, id, isMoved: true });
      assertServed(await client.exchange(callOf(id)), { by: others, id, isMoved: false });
    });
  });

  test('moves again when the next owner goes, and back to one that was restarted', async () => {
    const balancer = await scene.start();
    const session = await scene.open(balancer);
    const { id } = session;
    let { owner, others } = session;
    for (let n = 0; n < 4; n += 1) {
      scene.clear();
      await owner.die();
      assertServed(await sendTo(balancer, callOf(id)), { by: others, id, isMoved: true });
      const next = newOwner(others);
      await owner.listen();
      owner = next;
      others = scene.servers.filter((server) => server !== next);
    }
  });

  test('stays with a new owner whose checks have not seen yet that it is back', async () => {
    // Whoever is down needs 100 good checks to be up again, the last hope of a pool 5 s at least.
    const health = { check: 'tcp', interval: '200ms', fall: 1, rise: 100 };
    const balancer = await scene.start({}, { health });
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others) await server.die();
    const down = ({ id: at }) => new RegExp(`backend_down .*backend=${at} `).test(logText(balancer));
    await poll(() => others.every(down), 'the others to be down');
    for (const server of others) await server.listen();
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
    const next = newOwner(others);
    for (let n = 0; n < 3; n += 1)
      assertServed(await sendTo(balancer, list(id)), { by: next, id, isMoved: false });
    // A broken connection is no reason to leave either: the request is repeated there.
    next.answer = (_seen, connection) => {
      next.answer = undefined;
      return connection.reset() ?? SILENCE;
    };
    assertServed(await sendTo(balancer, list(id)), { by: next, id, isMoved: false });
    assert.doesNotMatch(logText(balancer), /backend_up/, 'checks alone say who is up');
  });

  test('has a GET stream at the new owner, without the Last-Event-ID of the old one', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id, [['Last-Event-ID', 'event-of-old'], ['MCP-Protocol-Version', VERSION]])); // prettier-ignore
      const answer = await client.open({ method: 'GET' });
      assertFromBackend(answer);
      assert.equal(moved(answer), 'moved');
      const next = newOwner(others);
      assert.deepEqual(next.arrived, [...OPENING, 'GET']);
      assert.equal(next.requests[2].get('Last-Event-ID'), undefined);
      await next.notify(next.onlySession, { jsonrpc: '2.0', method: 'notifications/message' });
      await answer.body.until('notifications/message');
    });
  });

  test('resumes at the new owner only what that one has sent', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id });
    const next = newOwner(others);
    // A server that gets an id that it never sent attaches the stream to nothing.
    const streamFrom = (last, use) =>
      RawClient.with(balancer.url, async (client) => {
        client.send(streamGet(id, [['Last-Event-ID', last], ['MCP-Protocol-Version', VERSION]]));
        const answer = await client.open({ method: 'GET' });
        assertFromBackend(answer);
        await use(answer);
      });
    await streamFrom('event-of-old', async (answer) => {
      assert.equal(next.all('GET').at(-1).get('Last-Event-ID'), undefined);
      const [connection] = next.sessions.get(next.onlySession).streams;
      await connection.send(chunk(`id: event-of-new\n${event({ jsonrpc: '2.0', method: 'm' })}`));
      await answer.body.until('event-of-new');
    });
    await streamFrom('event-of-new', async () => {
      assert.equal(next.all('GET').at(-1).get('Last-Event-ID'), 'event-of-new');
    });
  });

  test('gets over its waiting GET stream what the new owner has to say', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      let stream = await client.open({ method: 'GET' });
      await owner.until(() => owner.sessions.get(owner.onlySession).streams.length === 1, 'the stream');
      await owner.notify(owner.onlySession, { jsonrpc: '2.0', method: 'notifications/old' });
      await stream.body.until('notifications/old');
      await owner.die();
      assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
      const next = newOwner(others);
      const attached = () => next.sessions.get(next.onlySession).streams.length === 1;
      // Either the stream goes on, or it ends and the client asks for it again.
      await poll(() => attached() || stream.body.advance(), 'the stream to end or to be attached');
      if (!attached()) {
        const again = await RawClient.connect(balancer.url);
        again.send(streamGet(id));
        stream = await again.open({ method: 'GET' });
        assertFromBackend(stream);
      }
      await next.notify(next.onlySession, { jsonrpc: '2.0', method: 'notifications/new' });
      await stream.body.until('notifications/new');
      stream.body.client.destroy();
    });
  });

  test('ends it at the new owner, by the id that it knows', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { id });
    const next = newOwner(others);
    const known = next.onlySession;
    assertFromBackend(await sendTo(balancer, erase(id), { method: 'DELETE' }));
    assert.equal(sessionOf(next.all('DELETE')[0]), known);
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
  });

  test('keeps a sealed id, too', async () => {
    const balancer = await scene.start({ identity: 'sealed' }, {}, { secrets: ['a secret of this test, long enough'] }); // prettier-ignore
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id, isMoved: false });
    assertFromBackend(await sendTo(balancer, erase(id), { method: 'DELETE' }));
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
  });
});

describe('notifications/initialized', () => {
  test('that finds its owner gone is accepted, and reaches the new one once', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer, { ready: false });
    await owner.die();
    const answer = await sendTo(balancer, notify(id, 'notifications/initialized'));
    assert.equal(answer.status, 202);
    assertServed(await sendTo(balancer, list(id)), { by: others, id });
    assert.deepEqual(newOwner(others).arrived, [...OPENING, 'tools/list']);
  });

  test('that comes after the move is accepted and goes nowhere', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer, { ready: false });
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
    const answer = await sendTo(balancer, notify(id, 'notifications/initialized'));
    assert.equal(answer.status, 202);
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
    assert.deepEqual(newOwner(others).arrived, [...OPENING, 'tools/list', 'tools/call']);
  });
});

describe('what only the old owner could use', () => {
  for (const [what, build] of [
    ['a posted response', (id) => asResponse(id)],
    ['notifications/cancelled', (id) => notify(id, 'notifications/cancelled', { requestId: 5 })],
    [
      'notifications/progress',
      (id) => notify(id, 'notifications/progress', { progressToken: 't', progress: 1 }),
    ],
  ]) {
    test(`${what}: is accepted, dropped, and moves nothing`, async () => {
      const balancer = await scene.start();
      const { id, owner, others } = await scene.open(balancer);
      await owner.die();
      const answer = await sendTo(balancer, build(id));
      assert.equal(answer.status, 202, answer.text);
      assert.equal(moved(answer), undefined);
      assert.deepEqual(others.flatMap(({ arrived }) => arrived), []);
      assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
      assert.deepEqual(newOwner(others).arrived, [...OPENING, 'tools/list']);
    });
  }

  test('a DELETE ends the session although there is nobody to tell', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    const answer = await sendTo(balancer, erase(id), { method: 'DELETE' });
    assert.ok([200, 204].includes(answer.status), answer.first);
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
    assert.deepEqual(others.flatMap(({ arrived }) => arrived), []);
  });
});

function asResponse(id) {
  const headers = [['MCP-Protocol-Version', VERSION]];
  return post({ jsonrpc: '2.0', id: 5, result: {} }, { session: id, headers });
}
