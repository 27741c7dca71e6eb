// When an owner counts as gone, when not, and what becomes of the requests that it had.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adminJson } from './lib/balancer.mjs';
import { initialize, post, reply } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { FrozenServer } from './lib/frozen.mjs';
import {
  assertServed,
  callOf,
  list,
  moved,
  newOwner,
  openSession,
  sendTo,
  stage,
  VERSION,
} from './lib/moves.mjs';
import { dialects, SILENCE } from './lib/plain_servers.mjs';
import { reservedPort } from './lib/ports.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { unknown } from './lib/sessions.mjs';
import { LIMIT, pause, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const scene = stage('a', 'b', 'c');
const quiet = (servers) => assert.deepEqual(servers.flatMap(({ arrived }) => arrived), []);
const LOST = { status: 502, reason: 'backend_lost', code: -31012, outcome: 'unknown' };
const UNAVAILABLE = { status: 503, reason: 'owner_unavailable', code: -31011 };

describe('an owner that says that it does not know the session', () => {
  for (const [words, dialect] of Object.entries(dialects)) {
    test(`by ${words} is gone, and the call is served once`, async () => {
      const balancer = await scene.start();
      const { id, owner, others } = await scene.open(balancer);
      owner.forget();
      owner.dialect = dialect;
      assertServed(await sendTo(balancer, callOf(id)), { id, isMoved: true });
      const all = [owner, ...others];
      const served = all.filter((server) => server.all('initialize').length > 0);
      assert.equal(served.length, 1, 'opened once');
      assert.equal(served[0].all('tools/call').at(-1).get('Mcp-Session-Id'), served[0].onlySession);
      const calls = all.flatMap((server) => server.all('tools/call'));
      assert.equal(calls.length, 2, 'the refused one and the served one');
      assertServed(await sendTo(balancer, list(id)), { by: served[0], id, isMoved: false });
    });
  }

  for (const [what, answer] of [
    ['a 404 of another kind', () => reply(404, { body: '404 page not found', headers: [['Content-Type', 'text/plain']] })], // prettier-ignore
    ['a 401', () => reply(401, { headers: [['WWW-Authenticate', 'Bearer']] })],
    ['a 403', () => reply(403, { body: 'Session not found' })],
    ['a 500', () => reply(500, { body: 'Session not found' })],
  ]) {
    test(`${what} passes as it is, and nothing moves`, async () => {
      const balancer = await scene.start();
      const { id, owner, others } = await scene.open(balancer);
      owner.answer = answer;
      const got = await sendTo(balancer, callOf(id));
      assertFromBackend(got, Number(answer().toString('latin1').slice(9, 12)));
      assert.equal(moved(got), undefined);
      quiet(others);
    });
  }

  test('is the only backend, and gets the session again', async () => {
    const balancer = await scene.start({}, { backends: [{ url: scene.servers[0].url }] });
    const { id, owner } = await openSession(balancer, scene.servers.slice(0, 1));
    owner.forget();
    assertServed(await sendTo(balancer, callOf(id)), { by: owner, id, isMoved: true });
  });
});

describe('a connection that breaks after delivery', () => {
  for (const [who, dies] of [
    ['of an owner that dies', true],
    ['of an owner that lives', false],
  ]) {
    test(`${who} leaves the outcome of a tool call unknown, and the next call works`, async () => {
      const balancer = await scene.start();
      const { id, owner, others } = await scene.open(balancer);
      owner.answer = (seen, connection) => {
        owner.answer = undefined;
        if (dies) owner.die();
        else connection.reset();
        return SILENCE;
      };
      assertOwnReply(await sendTo(balancer, callOf(id, { id: 'x-1' })), { ...LOST, id: 'x-1' });
      assert.deepEqual(others.flatMap((server) => server.all('tools/call')), [], 'not called again');
      const by = dies ? others : owner;
      assertServed(await sendTo(balancer, callOf(id)), { by, id });
    });
  }

  test('does not keep a request without effects from being answered', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    owner.answer = () => {
      owner.die();
      return SILENCE;
    };
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
  });

  test('within a reply cuts that reply, and the next call works', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    owner.answer = async (seen, connection) => {
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf');
      await pause(50);
      owner.die();
      return SILENCE;
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(callOf(id));
      await client.brokenReply();
    });
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
  });

  test('within a head leaves the outcome unknown', async () => {
    const balancer = await scene.start();
    const { id, owner } = await scene.open(balancer);
    owner.answer = async (seen, connection) => {
      await connection.send('HTTP/1.1 200 OK\r\nContent-Le');
      connection.end();
      return SILENCE;
    };
    assertOwnReply(await sendTo(balancer, callOf(id)), LOST);
  });
});

describe('a session that nobody else can take', () => {
  test('because the others speak another version is unknown from then on', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others) server.version = '2025-03-26';
    await owner.die();
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
    await poll(() => others.every(({ sessions }) => sessions.size === 0), 'what was opened to be deleted'); // prettier-ignore
    quietAbout(others, 'tools/list');
  });

  test('because the others can do less is unknown from then on', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others) server.capabilities = { tools: {}, resources: { subscribe: true } };
    await owner.die();
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
    await poll(() => others.every(({ sessions }) => sessions.size === 0), 'what was opened to be deleted'); // prettier-ignore
    quietAbout(others, 'tools/list');
  });

  test('is none when the others can do more', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others)
      server.capabilities = { ...server.capabilities, prompts: {}, tools: { listChanged: true } };
    await owner.die();
    assertServed(await sendTo(balancer, list(id)), { by: others, id, isMoved: true });
  });

  test('because its initialize was larger than is kept is unknown', async () => {
    const balancer = await scene.start();
    const message = initialize(0, VERSION);
    message.params.capabilities = { experimental: { filler: { text: 'x'.repeat(17 * 1024) } } };
    const { id, owner, others } = await scene.open(balancer, { message });
    await owner.die();
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
    quiet(others);
  });

  test('because there is no other now is there again when one comes back', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    for (const server of [owner, ...others]) await server.die();
    const refused = await sendTo(balancer, list(id));
    assertOwnReply(refused, { status: 503, reason: ['no_backend', 'owner_unavailable'] });
    await others[0].listen();
    const served = async () => {
      const answer = await sendTo(balancer, list(id));
      if (answer.status === 503) return false;
      assertServed(answer, { by: others[0], id });
      return true;
    };
    await poll(served, 'the session to be served again', { limit: LONG, every: 100 });
  });

  for (const [what, busy] of [
    ['are busy', () => reply(503)],
    ['break', (seen, connection) => connection.reset() ?? SILENCE],
  ]) {
    test(`because the others ${what} now can be taken when they do not`, async () => {
      const balancer = await scene.start();
      const { id, owner, others } = await scene.open(balancer);
      await owner.die();
      for (const server of others) server.answer = busy;
      const refused = await sendTo(balancer, list(id), { limit: LONG });
      assertOwnReply(refused, { status: 503, reason: ['owner_unavailable', 'no_backend'] });
      for (const server of others) server.answer = undefined;
      const served = async () => {
        const answer = await sendTo(balancer, callOf(id), { limit: LONG });
        if (answer.status === 503) return false;
        assertServed(answer, { by: others, id, isMoved: true });
        return true;
      };
      await poll(served, 'the session to be served again', { limit: LONG, every: 100 });
    });
  }

  test('because the others do not let this request in can be taken with one that they do', async () => {
    const balancer = await scene.start();
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    const challenge = 'Bearer resource_metadata="https://mcp.example.com/meta"';
    for (const server of others)
      server.answer = (seen) =>
        seen.get('Authorization') === 'Bearer good'
          ? undefined
          : reply(401, { headers: [['WWW-Authenticate', challenge]] });
    const refused = await sendTo(balancer, list(id));
    assertFromBackend(refused, 401);
    assert.equal(refused.get('WWW-Authenticate'), challenge);
    const headers = [['Authorization', 'Bearer good']];
    const answer = await sendTo(balancer, list(id, { headers }));
    assertServed(answer, { by: others, id, isMoved: true });
  });

  function quietAbout(servers, method) {
    assert.deepEqual(servers.flatMap((server) => server.all(method)), []);
  }
});

describe('on_backend_loss', () => {
  test('not_found opens nothing again', async () => {
    const balancer = await scene.start({ on_backend_loss: 'not_found' });
    const { id, owner, others } = await scene.open(balancer);
    await owner.die();
    assertOwnReply(await sendTo(balancer, list(id)), unknown(1));
    quiet(others);
  });

  test('reroute sends the request as it is to another, which shares the sessions', async () => {
    const balancer = await scene.start({ on_backend_loss: 'reroute' });
    const { id, owner, others } = await scene.open(balancer);
    for (const server of others) server.sessions.set(id, { uris: new Set(), streams: [] });
    await owner.die();
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
    assert.deepEqual(others.flatMap(({ arrived }) => arrived), ['tools/call']);
  });
});

describe('an owner that does not answer', () => {
  const probing = { interval: '150ms', timeout: '150ms', fall: 2, rise: 2 };
  const timeouts = { connect: '200ms' };
  const unreached = (url) => ({
    backends: [{ url }, ...scene.servers.slice(1).map(({ url: other }) => ({ url: other }))],
    timeouts,
  });

  // A session on a server that then hangs, with every connection to it timing out.
  async function hanging(more, use) {
    const frozen = await FrozenServer.start(await reservedPort());
    try {
      const balancer = await scene.start({}, { ...unreached(frozen.url), ...more });
      const id = await sessionOn(balancer, 'frozen');
      await frozen.freeze();
      scene.clear();
      await use({ balancer, id, frozen, others: scene.servers.slice(1) });
    } finally {
      await frozen.stop();
    }
  }

  test('is waited for: the session stays, and the client is told to come again', async () => {
    await hanging({}, async ({ balancer, id, frozen, others }) => {
      assertOwnReply(await sendTo(balancer, list(id)), UNAVAILABLE);
      assertOwnReply(await sendTo(balancer, callOf(id)), UNAVAILABLE);
      quiet(others);
      await frozen.thaw();
      const served = async () => {
        const answer = await sendTo(balancer, list(id));
        if (answer.status === 503) return false;
        assertFromBackend(answer);
        return JSON.parse(answer.text).result.by === 'frozen';
      };
      await poll(served, 'the owner to answer', { limit: LONG, every: 100 });
      quiet(others);
    });
  });

  test('loses its sessions as soon as the health checks say that it is down', async () => {
    await hanging({ health: probing }, async ({ balancer, id, others }) => {
      const served = async () => {
        const answer = await sendTo(balancer, list(id), { limit: LONG });
        if (answer.status === 200) return answer;
        assertOwnReply(answer, UNAVAILABLE);
        return false;
      };
      const answer = await poll(served, 'the session to move', { limit: LONG, every: 50 });
      assertServed(answer, { by: others, id, isMoved: true });
      newOwner(others);
    });
  });

  test('and is marked down gives up the calls that it was silent about', async () => {
    const health = { check: 'http', path: '/health', ...probing, timeout: '2s' };
    const balancer = await scene.start({}, { health });
    const { id, owner, others } = await scene.open(balancer);
    let status = 200;
    owner.answer = ({ target }) => (target === '/health' ? reply(status) : SILENCE);
    const answering = sendTo(balancer, callOf(id), { limit: LONG });
    await poll(() => owner.all('tools/call').length > 0, 'the call to arrive');
    status = 503;
    assertOwnReply(await answering, { ...LOST, id: 1 });
    assertServed(await sendTo(balancer, callOf(id)), { by: others, id });
    const { json } = await adminJson(balancer, '/health');
    assert.equal(json.pools[0].backends.usable, 2);
  });

  async function sessionOn(balancer, name) {
    for (let n = 0; n < 6; n += 1) {
      const opened = await sendTo(balancer, post(initialize(0, VERSION)));
      assertFromBackend(opened);
      const id = opened.get('Mcp-Session-Id');
      const { result } = JSON.parse((await sendTo(balancer, list(id))).text);
      if (result.by === name) return id;
    }
    throw new Error(`no session on ${name}`);
  }
});
