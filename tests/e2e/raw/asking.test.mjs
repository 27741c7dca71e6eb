// A balancer without a store that was restarted asks its backends whose a session is.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, initialize, json, post, reply, request } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import {
  idAt,
  onlyServedBy,
  openAt,
  pings,
  resetServer,
  sendTo,
  served,
  SILENCE,
  startServers,
} from './lib/session_servers.mjs';
import { newId, unknown } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const AUTHORIZED = [
  ['Authorization', 'Bearer of-the-client'],
  ['MCP-Protocol-Version', '2025-06-18'],
];
const FAILURE = { code: -32603, message: 'Internal error' };
const NOT_FOUND = { code: -32001, message: 'Session not found' };
const UNAVAILABLE = { status: 503, reason: 'owner_unavailable', code: -31011 };

let servers;
const running = [];

before(async () => {
  servers = await startServers('a', 'b', 'c');
});
beforeEach(() => servers.forEach(resetServer));
afterEach(async () => {
  await stopAll(running.splice(0));
  for (const server of servers) server.assertSound();
});
after(() => stopAll(servers));

async function start(sessions = {}, { backends = servers, ...settings } = {}, more = {}) {
  const asking = { on_backend_loss: 'not_found', ...sessions };
  const one = await startBalancer(
    pool(backends, { sessions: asking, heartbeat: '0s', ...more }),
    settings,
  );
  running.push(one);
  return one;
}

// A session that was opened through a balancer that is no more.
function forgotten(owner = servers[1]) {
  const id = newId('forgotten');
  owner.sessions.add(id);
  return id;
}

const clear = () => servers.forEach((server) => server.clear());
const pingsOf = () => servers.map((server) => pings(server).length);
const ping = (id, more) => post(ask('tools/list', 1), { session: id, ...more });
const assertUnasked = () => assert.deepEqual(pingsOf(), [0, 0, 0], 'nobody is asked');

describe('after a restart', () => {
  const withSession = (method, id) =>
    request(method, '/mcp?x=1', {
      headers: [['Accept', 'text/event-stream'], ['Mcp-Session-Id', id], ...AUTHORIZED],
    });
  const posted = (message) => (id) =>
    post(message, { session: id, target: '/mcp?x=1', headers: AUTHORIZED });
  for (const [what, build, status, method] of [
    ['a request', posted(ask('tools/list', 1)), 200],
    ['a ping of the client itself', posted(ask('ping', 1)), 200],
    ['a notification', posted({ jsonrpc: '2.0', method: 'notifications/initialized' }), 202],
    ['a posted response', posted({ jsonrpc: '2.0', id: 7, result: {} }), 202],
    ['a GET stream', (id) => withSession('GET', id), 200, 'GET'],
    ['a DELETE', (id) => withSession('DELETE', id), 200],
  ]) {
    test(`${what} finds the owner of its session, which gets it once`, async () => {
      const first = await start();
      const opened = [];
      for (let n = 0; n < servers.length; n += 1) opened.push(await openAt(first, servers));
      assert.equal(new Set(opened.map(({ owner }) => owner)).size, 3, 'they are spread');
      await first.kill();
      running.length = 0;
      const second = await start();
      for (const { id, owner } of opened) {
        clear();
        assertFromBackend(await sendTo(second, build(id), { method }), status);
        assert.equal(onlyServedBy(servers).name, owner.name);
        assert.deepEqual(pingsOf(), [1, 1, 1]);
      }
    });
  }

  test('the backends are asked with what let the client in, by an id of our own', async () => {
    const balancer = await start();
    const id = forgotten();
    const answer = await sendTo(
      balancer,
      ping(id, { target: '/mcp?x=1', host: 'other.example', headers: AUTHORIZED }),
    );
    assertFromBackend(answer);
    for (const server of servers) {
      const [seen] = pings(server);
      assert.equal(seen.target, '/mcp?x=1');
      assert.equal(seen.get('Host'), 'other.example');
      assert.equal(seen.get('Authorization'), 'Bearer of-the-client');
      assert.equal(seen.get('MCP-Protocol-Version'), '2025-06-18');
      assert.equal(seen.get('Mcp-Session-Id'), id);
      assert.match(seen.message.id, /^[0-9a-f]{32}$/);
    }
  });

  test('an owner that was found is remembered', async () => {
    const balancer = await start();
    const id = forgotten();
    assertFromBackend(await sendTo(balancer, ping(id)));
    clear();
    for (let n = 0; n < 3; n += 1) assertFromBackend(await sendTo(balancer, ping(id)));
    assert.equal(served(servers[1]).length, 3);
    assertUnasked();
    assert.ok(!logText(balancer).includes(id), 'no session id is logged');
  });

  test('an owner that failed its health checks is found', async () => {
    const [sick] = await startServers('sick');
    try {
      const id = newId();
      const health = { interval: '200ms', fall: 1, rise: 100 };
      const balancer = await start({}, { backends: [sick, ...servers] }, { health });
      await sick.stop();
      const down = `backend_down .*backend=${idAt(sick)}`;
      await poll(() => new RegExp(down).test(logText(balancer)), 'the owner to be down', {
        limit: LONG,
      });
      resetServer(sick);
      sick.sessions.add(id);
      await sick.listen();
      const answer = await sendTo(balancer, ping(id));
      assertFromBackend(answer);
      assert.equal(JSON.parse(answer.text).result.by, 'sick');
    } finally {
      await sick.stop();
    }
  });

  test('clients that come at once share one asking', async () => {
    const balancer = await start();
    const id = forgotten();
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const server = servers[1].script;
    servers[1].script = async (seen, connection) => {
      if (seen.message?.method === 'ping') await released;
      return server(seen, connection);
    };
    const clients = [];
    try {
      for (let n = 0; n < 20; n += 1) clients.push(await RawClient.connect(balancer.url));
      for (const client of clients) client.send(ping(id));
      // Behind all of these.
      assertFromBackend(await sendTo(balancer, post(initialize())));
      release();
      for (const client of clients) assertFromBackend(await client.reply());
      assert.deepEqual(pingsOf(), [1, 1, 1]);
      assert.equal(
        served(servers[1]).filter(({ message }) => message.method === 'tools/list').length,
        20,
      );
    } finally {
      release();
      for (const client of clients) client.destroy();
    }
  });

  test('a client that leaves meanwhile harms nobody, and what was found is of use', async () => {
    const balancer = await start();
    const id = forgotten();
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const server = servers[1].script;
    servers[1].script = async (seen, connection) => {
      if (seen.message?.method === 'ping') await released;
      return server(seen, connection);
    };
    const leaving = await RawClient.connect(balancer.url);
    leaving.send(ping(id));
    await servers[1].request();
    leaving.reset();
    release();
    assertFromBackend(await sendTo(balancer, ping(id)));
    assert.deepEqual(pingsOf(), [1, 1, 1], 'one asking for both');
  });
});

describe('a session that nobody claims', () => {
  test('is unknown, and nobody is asked again for a moment', async () => {
    const balancer = await start();
    let asked;
    // A moment is short: on a machine that stalls it may be over.
    for (let tries = 0; tries < 5 && asked !== 1; tries += 1) {
      clear();
      const id = newId('made-up');
      assertOwnReply(await sendTo(balancer, ping(id)), unknown(1));
      assertOwnReply(await sendTo(balancer, ping(id)), unknown(1));
      assert.deepEqual(servers.flatMap(served), []);
      asked = pings(servers[0]).length;
      assert.deepEqual(pingsOf(), [asked, asked, asked]);
    }
    assert.equal(asked, 1);
  });

  for (const [what, rejection] of [
    ['400 with words', () => reply(400, { body: 'Bad Request: No valid session ID provided' })],
    ['410', () => reply(410)],
    [
      'an error within 200',
      ({ message }) => json({ jsonrpc: '2.0', id: message.id, error: NOT_FOUND }),
    ],
  ]) {
    test(`is unknown when the backends say so by ${what}`, async () => {
      for (const server of servers) server.answer = rejection;
      const balancer = await start();
      assertOwnReply(await sendTo(balancer, ping(newId())), unknown(1));
    });
  }

  test('is unknown when one backend is gone', async () => {
    const mortal = await startServers('gone');
    const balancer = await start({}, { backends: [...servers, ...mortal] });
    await stopAll(mortal);
    assertOwnReply(await sendTo(balancer, ping(newId())), unknown(1));
  });

  for (const [what, answer] of [
    ['silent', () => SILENCE],
    ['overloaded', () => reply(503)],
    ['limiting rates', () => reply(429)],
    [
      'failing',
      ({ message }) => json({ jsonrpc: '2.0', id: message?.id, error: FAILURE }),
    ],
  ]) {
    test(`may be that of a backend that is ${what}: no 404, and it is asked again`, async () => {
      servers[2].answer = answer;
      const balancer = await start();
      const id = newId();
      assertOwnReply(await sendTo(balancer, ping(id)), { ...UNAVAILABLE, id: 1 });
      assert.deepEqual(servers.flatMap(served), []);
      resetServer(servers[2]);
      servers[2].sessions.add(id);
      clear();
      const found = await sendTo(balancer, ping(id));
      assertFromBackend(found);
      assert.equal(JSON.parse(found.text).result.by, 'c');
      assert.deepEqual(pingsOf(), [1, 1, 1]);
    });
  }

  test('is found at its owner although another backend is silent', async () => {
    servers[2].answer = () => SILENCE;
    const balancer = await start();
    const answer = await sendTo(balancer, ping(forgotten(servers[0])));
    assertFromBackend(answer);
    assert.equal(onlyServedBy(servers).name, 'a');
  });

  test('and hundreds of others at once after a restart are all found', async () => {
    const balancer = await start();
    const ids = Array.from({ length: 400 }, (_, n) => forgotten(servers[n % 3]));
    const answers = await Promise.all(ids.map((id) => sendTo(balancer, ping(id))));
    for (const answer of answers) assertFromBackend(answer);
  });

  test('and made up again and again does not keep the backends busy', async () => {
    const balancer = await start();
    const refused = [];
    let sent = 0;
    const flood = async () => {
      await RawClient.with(balancer.url, async (client) => {
        while (!refused.length && sent < 5000) {
          sent += 1;
          const answer = await client.exchange(ping(newId('flood')));
          if (answer.status !== 404) refused.push(answer);
        }
      });
    };
    // More than the rate serves in the time that one of them waits for its turn.
    await Promise.all(Array.from({ length: 250 }, flood));
    assert.ok(refused.length > 0, `${sent} were asked for`);
    for (const answer of refused) assertOwnReply(answer, { ...UNAVAILABLE, id: 1 });
    assert.ok(pings(servers[0]).length < sent);
    // Who is known is served nevertheless.
    const { id } = await openAt(balancer, servers);
    assertFromBackend(await sendTo(balancer, ping(id)));
  });
});

describe('a session that several claim', () => {
  test('goes to any backend, and nothing is remembered', async () => {
    const id = newId('shared');
    for (const server of servers) server.sessions.add(id);
    const balancer = await start();
    for (let n = 1; n <= 3; n += 1) {
      assertFromBackend(await sendTo(balancer, ping(id)));
      assert.deepEqual(pingsOf(), [n, n, n]);
    }
    assert.equal(servers.flatMap(served).length, 3);
    assert.ok(servers.every((server) => served(server).length === 1), 'they are spread');
  });
});

describe('backends that want credentials', () => {
  const CHALLENGE = 'Bearer resource_metadata="https://mcp.example/meta"';
  const guard = (seen) =>
    seen.get('Authorization') === 'Bearer good'
      ? undefined
      : reply(401, {
          headers: [['WWW-Authenticate', CHALLENGE], ['Content-Type', 'text/plain']],
          body: 'who are you?',
        });

  test('say so to the client, who comes again with credentials and is served', async () => {
    for (const server of servers) server.answer = guard;
    const balancer = await start();
    const id = forgotten();
    for (const headers of [[], [['Authorization', 'Bearer bad']]]) {
      const refused = await sendTo(balancer, ping(id, { headers }));
      assertFromBackend(refused, 401);
      assert.equal(refused.get('WWW-Authenticate'), CHALLENGE);
      assert.equal(refused.get('Content-Type'), 'text/plain');
      assert.equal(refused.text, 'who are you?');
    }
    assert.deepEqual(servers.flatMap(served), []);
    const headers = [['Authorization', 'Bearer good']];
    assertFromBackend(await sendTo(balancer, ping(id, { headers })));
    assert.equal(onlyServedBy(servers).name, 'b');
  });

  test('do not hide the owner, and are not believed while another one is silent', async () => {
    servers[0].answer = () => reply(403);
    const balancer = await start();
    const id = forgotten();
    assertFromBackend(await sendTo(balancer, ping(id)));
    assert.equal(onlyServedBy(servers).name, 'b');
    servers[2].answer = () => reply(500);
    assertOwnReply(await sendTo(balancer, ping(newId())), { ...UNAVAILABLE, id: 1 });
  });

  test('keep the connection of the client open', async () => {
    for (const server of servers) server.answer = guard;
    const balancer = await start();
    const id = forgotten();
    await RawClient.with(balancer.url, async (client) => {
      assert.equal((await client.exchange(ping(id))).status, 401);
      const headers = [['Authorization', 'Bearer good']];
      assertFromBackend(await client.exchange(ping(id, { headers })));
    });
  });
});

describe('a single backend', () => {
  const alone = () => start({}, { backends: [servers[0]] });
  const sessions = async (balancer) => (await adminJson(balancer, '/health')).json.active_sessions;

  test('is not asked: the request goes there, and the session is known from then on', async () => {
    const balancer = await alone();
    const id = forgotten(servers[0]);
    assert.equal(await sessions(balancer), 0);
    assertFromBackend(await sendTo(balancer, ping(id)));
    assert.equal(served(servers[0]).length, 1);
    assertUnasked();
    assert.equal(await sessions(balancer), 1);
  });

  test('says itself that it does not know a session, which stays unknown', async () => {
    const balancer = await alone();
    for (let n = 0; n < 2; n += 1) {
      const answer = await sendTo(balancer, ping(newId()));
      assertFromBackend(answer, 404);
      assert.equal(answer.text, 'never heard of it');
    }
    assert.equal(await sessions(balancer), 0);
    assertUnasked();
  });

  test('deletes a session that nobody knew', async () => {
    const balancer = await alone();
    const id = forgotten(servers[0]);
    const headers = [['Mcp-Session-Id', id]];
    assertFromBackend(await sendTo(balancer, request('DELETE', '/mcp', { headers })));
    assert.equal(await sessions(balancer), 0);
    assert.equal(servers[0].sessions.size, 0);
  });
});

describe('nobody is asked', () => {
  async function assertUnknownUnasked(balancer, data) {
    assertOwnReply(await sendTo(balancer, data), unknown(1));
    assert.deepEqual(servers.flatMap(({ requests }) => requests), []);
  }

  test('for a session of the transport of 2024-11-05', async () => {
    const id = forgotten();
    await assertUnknownUnasked(
      await start(),
      post(ask('ping', 1), { target: `/messages?sessionId=${id}` }),
    );
  });

  test('when an unknown session is to be unknown', async () => {
    await assertUnknownUnasked(await start({ on_unknown: 'not_found' }), ping(forgotten()));
  });

  test('for a session that would answer to its principal only', async () => {
    await assertUnknownUnasked(
      await start({ bind: 'authorization' }, { secrets: ['a secret that is long enough'] }),
      ping(forgotten(), { headers: AUTHORIZED }),
    );
  });

  test('when any backend will do', async () => {
    const id = newId();
    for (const server of servers) server.sessions.add(id);
    const balancer = await start({ on_unknown: 'forward' });
    for (let n = 0; n < 3; n += 1) assertFromBackend(await sendTo(balancer, ping(id)));
    assertUnasked();
    assert.ok(servers.every((server) => served(server).length === 1), 'they are spread');
  });
});
