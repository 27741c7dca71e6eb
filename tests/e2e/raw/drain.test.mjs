// A backend that drains takes no new session and loses nothing of what it has.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { initialize, json, post, sseHead, chunk, event, LAST_CHUNK } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { assertServed, callOf, list, newOwner, sendTo, stage, VERSION } from './lib/moves.mjs';
import { activate, disable, drain, emptied, stateOf } from './lib/operator.mjs';
import { SILENCE } from './lib/plain_servers.mjs';
import { Process } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { streamGet } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const scene = stage('a', 'b');
const named = () => scene.servers.map(({ url, name }) => ({ url, id: name }));

const start = (more = {}, settings = {}) =>
  scene.start({}, { backends: named(), drain: { timeout: '20s' }, ...more }, settings);

// Makes the next tool call of `owner` wait; finish() answers it.
function holding(owner) {
  const held = {};
  held.begun = new Promise((begun) => {
    held.finish = () => {};
    owner.answer = async (seen) => {
      if (seen.message?.method !== 'tools/call') return undefined;
      owner.answer = undefined;
      const finished = new Promise((resolve) => {
        held.finish = resolve;
      });
      begun();
      await finished;
      const headers = [['Mcp-Session-Id', seen.get('Mcp-Session-Id')]];
      return json({ jsonrpc: '2.0', id: seen.message.id, result: { by: owner.name } }, { headers });
    };
  });
  return held;
}

async function openedBy(balancer, count) {
  scene.clear();
  for (let n = 0; n < count; n += 1)
    assertFromBackend(await sendTo(balancer, post(initialize(n, VERSION))));
  return Object.fromEntries(
    scene.servers.map((server) => [server.name, server.all('initialize').length]),
  );
}

describe('a draining backend', () => {
  test('takes no new session, and takes them again when it is activated', async () => {
    const balancer = await start();
    assert.deepEqual(await openedBy(balancer, 4), { a: 2, b: 2 });
    assert.equal((await drain(balancer, 'a')).mode, 'draining');
    const { a, b } = await openedBy(balancer, 4);
    assert.equal(a, 0);
    assert.ok(b >= 4, 'what drains there comes on top');
    assert.equal((await activate(balancer, 'a')).mode, 'active');
    assert.ok((await openedBy(balancer, 4)).a > 0);
  });

  test('gives its idle sessions to another, and is told that they are over', async () => {
    const balancer = await start();
    const { id, owner, others } = await scene.open(balancer);
    const known = owner.onlySession;
    await drain(balancer, owner.name);
    await emptied(balancer, owner.name);
    await poll(() => owner.all('DELETE').length > 0, 'the DELETE');
    assert.equal(owner.all('DELETE')[0].get('Mcp-Session-Id'), known);
    assert.equal(owner.sessions.size, 0);
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
    assert.equal(newOwner(others).all('initialize').length, 1);
    assert.deepEqual(owner.all('tools/call'), []);
  });

  test('gives a session away with the credentials of its next request', async () => {
    const balancer = await start();
    const headers = [['Authorization', 'Bearer SECRET-of-the-client']];
    const { id, owner, others } = await scene.open(balancer, { headers });
    for (const server of others) {
      server.answer = (seen) =>
        seen.get('Authorization') === 'Bearer SECRET-of-the-client'
          ? undefined
          : 'HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n';
    }
    await drain(balancer, owner.name);
    assertServed(await sendTo(balancer, callOf(id, { headers })), { by: others, id });
    await emptied(balancer, owner.name);
    assertServed(await sendTo(balancer, list(id, { headers })), { by: others, id });
  });

  test('finishes the calls that it has, and their session goes after them', async () => {
    const balancer = await start();
    const { id, owner, others } = await scene.open(balancer);
    const held = holding(owner);
    const inFlight = sendTo(balancer, callOf(id, { id: 'slow' }), { limit: LONG });
    await held.begun;
    await drain(balancer, owner.name);
    const seen = await stateOf(balancer, owner.name);
    assert.equal(seen.state, 'draining');
    assert.equal(seen.sessions, 1);
    assert.equal(seen.in_flight, 1);
    held.finish();
    assertServed(await inFlight, { by: owner, id });
    await emptied(balancer, owner.name);
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
  });

  test('serves the session of a call that runs also with other requests', async () => {
    const balancer = await start();
    const { id, owner, others } = await scene.open(balancer);
    const held = holding(owner);
    const inFlight = sendTo(balancer, callOf(id, { id: 'slow' }), { limit: LONG });
    await held.begun;
    await drain(balancer, owner.name);
    // The answer of the client to what the running call asks has to reach the one who asked.
    assertFromBackend(await sendTo(balancer, post({ jsonrpc: '2.0', id: 3, result: {} }, { session: id })), 202); // prettier-ignore
    assert.equal(owner.all('response').length, 1);
    assert.deepEqual(others.flatMap(({ arrived }) => arrived), []);
    held.finish();
    assertServed(await inFlight, { by: owner, id });
  });

  test('lets a call that streams its answer finish', async () => {
    const balancer = await start();
    const { id, owner } = await scene.open(balancer);
    let connection;
    owner.answer = async (seen, where) => {
      if (seen.message?.method !== 'tools/call') return undefined;
      connection = where;
      await where.send(sseHead());
      await where.send(chunk(event({ progress: 1 })));
      return SILENCE;
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(callOf(id));
      const answer = await client.open();
      await answer.body.until('progress');
      await drain(balancer, owner.name);
      await answer.body.silent(200);
      await connection.send(chunk(event({ result: 'done' })));
      await connection.send(LAST_CHUNK);
      await answer.body.finish();
      assert.match(answer.body.text, /done/);
    });
    await emptied(balancer, owner.name);
  });

  test('loses its GET streams to the new owner, between two events', async () => {
    const balancer = await start();
    const { id, owner, others } = await scene.open(balancer);
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      let stream = await client.open({ method: 'GET' });
      const session = owner.sessions.get(owner.onlySession);
      await owner.until(() => session.streams.length === 1, 'the stream');
      await owner.notify(owner.onlySession, { jsonrpc: '2.0', method: 'notifications/old' });
      await stream.body.until('notifications/old');
      await drain(balancer, owner.name);
      await emptied(balancer, owner.name);
      stream.body.advance();
      assert.equal(stream.body.broken, null, 'never cut');
      assert.match(stream.body.text, /\n\n$/);
      assertServed(await sendTo(balancer, list(id)), { by: others, id });
      const next = newOwner(others);
      const attached = () => next.sessions.get(next.onlySession).streams.length === 1;
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

  test('gives up at the deadline what has not finished', async () => {
    const balancer = await start({ drain: { timeout: '1s' } });
    const { id, owner, others } = await scene.open(balancer);
    const held = holding(owner);
    const inFlight = sendTo(balancer, callOf(id, { id: 'stuck' }), { limit: LONG });
    await held.begun;
    await drain(balancer, owner.name);
    const answer = await inFlight;
    assertOwnReply(answer, { status: 502, reason: 'backend_lost', code: -31012, id: 'stuck', outcome: 'unknown' }); // prettier-ignore
    await emptied(balancer, owner.name);
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
    held.finish();
  });

  test('that is the only one keeps its sessions', async () => {
    const [only] = named();
    const balancer = await start({ backends: [only], drain: { timeout: '1s' } });
    const opened = await sendTo(balancer, post(initialize(0, VERSION)));
    const id = opened.get('Mcp-Session-Id');
    await drain(balancer, only.id);
    assertServed(await sendTo(balancer, callOf(id)), { by: scene.servers[0], id, isMoved: false });
    const refused = await sendTo(balancer, post(initialize(0, VERSION)));
    assertOwnReply(refused, { status: 503, reason: 'no_backend', code: -31010 });
  });
});

describe('a disabled backend', () => {
  test('gets nothing any more, and its sessions move with their next request', async () => {
    const balancer = await start();
    const { id, owner, others } = await scene.open(balancer);
    assert.equal((await disable(balancer, owner.name)).mode, 'disabled');
    owner.clear();
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id, isMoved: true });
    assert.equal((await openedBy(balancer, 4))[owner.name], 0);
    assert.deepEqual(owner.all('tools/call'), []);
    await activate(balancer, owner.name);
    assert.ok((await openedBy(balancer, 4))[owner.name] > 0);
  });
});

describe('the command', () => {
  test('drain --wait ends when the last call has, and says meanwhile what is left', async () => {
    const balancer = await start();
    const { id, owner } = await scene.open(balancer);
    const held = holding(owner);
    const inFlight = sendTo(balancer, callOf(id), { limit: LONG });
    await held.begun;
    const admin = new URL(balancer.adminUrl).host;
    const waiting = new Process(['drain', '--wait', `default/${owner.name}`, '--admin', admin]);
    await waiting.until((output) => /\b1 session\b/.test(output), 'what is left to be told');
    assert.equal(waiting.exit, null);
    held.finish();
    assertServed(await inFlight, { by: owner, id });
    assert.deepEqual(await waiting.ended(), { code: 0, signal: null }, waiting.output);
    assert.equal((await stateOf(balancer, owner.name)).sessions, 0);
  });
});
