// TLS on either side, with the node TLS client and server.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { after, afterEach, before, describe, test } from 'node:test';
import { addressOf, configOf, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, bytes, call, chunk, event, get, initialize, initializeResult, json, LAST_CHUNK,
  lines, post, reply, request, sseHead } from './lib/bytes.mjs'; // prettier-ignore
import { Authority } from './lib/certificates.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { Folder, run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { poll } from './lib/waiting.mjs';

const SLOW = 15_000; // for what waits for mcplb's own clock

let folder;
let authority;
let main; // the certificate of most listeners
let backend;
const running = [];

before(async () => {
  folder = new Folder();
  authority = new Authority(folder);
  main = authority.issue('main', ['DNS:localhost', 'IP:127.0.0.1']);
  backend = await ScriptedBackend.start();
});

afterEach(async () => {
  await stopAll(running.splice(0));
  backend.script = answerOk;
  backend.clear();
});

after(async () => {
  await backend.stop();
  folder.remove();
});

const pair = ({ certificate, key }) => ({ certificate, key });

// Everything started here stops after the test, in reverse.
async function start(tlsSettings = pair(main), pools = pool(backend), settings = {}) {
  const listeners = [
    { address: '127.0.0.1:0', name: 'main', tls: tlsSettings },
    { address: '127.0.0.1:0', name: 'plain' },
  ];
  const balancer = await startBalancer(pools, { listeners, ...settings });
  running.unshift(balancer);
  balancer.port = Number(addressOf(balancer, 'main').split(':')[1]);
  balancer.plainUrl = `http://${addressOf(balancer, 'plain')}`;
  return balancer;
}

function secure(balancer, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: balancer.port,
      servername: 'localhost',
      ca: authority.pem,
      ...options,
    });
    socket.once('secureConnect', () => resolve(new RawClient(socket)));
    socket.once('error', reject);
  });
}

async function withSecure(balancer, use, options = {}) {
  const client = await secure(balancer, options);
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

const linesWith = (balancer, word) =>
  logText(balancer)
    .split('\n')
    .filter((line) => line.includes(word));

const certificateName = (client) => client.socket.getPeerCertificate().subject.CN;

// A node https server; `answer` is a request listener.
function httpsServer(options, answer) {
  const server = https.createServer(options, answer);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      server.unref();
      running.push({
        stop: () => {
          server.closeAllConnections();
          server.close();
        },
      });
      resolve(`https://127.0.0.1:${server.address().port}`);
    });
  });
}

const echo = (incoming, outgoing) => {
  outgoing.setHeader('Content-Type', 'application/json');
  outgoing.setHeader('X-Proto', incoming.headers['x-forwarded-proto'] ?? 'none');
  outgoing.setHeader('X-Client', incoming.socket.getPeerCertificate?.()?.subject?.CN ?? 'nobody');
  incoming.resume();
  outgoing.end('{"jsonrpc":"2.0","id":1,"result":{}}');
};

const overTls = (url, settings) => ({ url, tls: settings });

describe('listeners', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    test(`requests are served over ${version}, several on one connection`, async () => {
      const balancer = await start();
      const options = { minVersion: version, maxVersion: version, ALPNProtocols: ['http/1.1'] };
      const use = async (client) => {
        assert.equal(client.socket.getProtocol(), version);
        assert.equal(client.socket.alpnProtocol, 'http/1.1');
        for (const id of [1, 2, 3]) assertFromBackend(await client.exchange(post(call(id))));
      };
      await withSecure(balancer, use, options);
      assert.equal(backend.last.get('X-Forwarded-Proto'), 'https');
    });
  }

  test('a plain listener beside it says http', async () => {
    const balancer = await start();
    await RawClient.with(balancer.plainUrl, (client) => client.exchange(post(call(1))));
    assert.equal(backend.last.get('X-Forwarded-Proto'), 'http');
  });

  test('min_version 1.3 refuses 1.2', async () => {
    const balancer = await start({ ...pair(main), min_version: '1.3' });
    await assert.rejects(secure(balancer, { maxVersion: 'TLSv1.2' }), /alert protocol version/);
    await withSecure(balancer, async (client) =>
      assertFromBackend(await client.exchange(post(call(1)))),
    );
  });

  test('the certificate is chosen by the server name', async () => {
    const other = authority.issue('other', ['DNS:other.example', 'DNS:*.wild.example']);
    const balancer = await start({ ...pair(main), certificates: [pair(other)] });
    for (const [servername, name] of [
      ['localhost', 'main'],
      ['other.example', 'other'],
      ['a.wild.example', 'other'],
      ['', 'main'],
    ]) {
      const options = { servername, checkServerIdentity: () => undefined };
      await withSecure(balancer, (client) => assert.equal(certificateName(client), name), options);
    }
  });

  test('a session is resumed by whichever worker gets the next connection', async () => {
    const balancer = await start(pair(main), pool(backend), { workers: 2 });
    const open = [];
    let session;
    for (let i = 0; i < 6; ++i) {
      const client = await secure(balancer, { session });
      open.push(client); // so that the workers take turns
      client.socket.on('session', (ticket) => (session = ticket));
      assertFromBackend(await client.exchange(post(call(i))));
      assert.equal(client.socket.isSessionReused(), i > 0, `connection ${i}`);
    }
    for (const client of open) client.destroy();
  });

  test('plain HTTP on a TLS port is closed with one log line', async () => {
    const balancer = await start();
    await RawClient.with(`http://127.0.0.1:${balancer.port}`, async (client) => {
      client.send(get('/'));
      await client.ending();
    });
    await poll(() => linesWith(balancer, 'tls_handshake_failed').length > 0, 'a log line');
    const [line, ...more] = linesWith(balancer, 'tls_handshake_failed');
    assert.match(line, /client=127\.0\.0\.1 reason="http request"/);
    assert.deepEqual(more, []);
    assert.equal(backend.requests.length, 0);
  });

  test('a connection that says nothing and leaves is no log line', async () => {
    const balancer = await start();
    await RawClient.with(`http://127.0.0.1:${balancer.port}`, (client) => client.halfClose());
    await withSecure(balancer, (client) => client.exchange(post(call(1))));
    assert.deepEqual(linesWith(balancer, 'tls_handshake_failed'), []);
  });

  test('half a ClientHello and then silence ends after ten seconds, and others go on', async () => {
    const balancer = await start();
    const began = Date.now();
    await RawClient.with(`http://127.0.0.1:${balancer.port}`, async (client) => {
      client.send(Buffer.from('160301020001', 'hex'));
      await withSecure(balancer, async (other) =>
        assertFromBackend(await other.exchange(post(call(1)))),
      );
      await client.ending({ limit: SLOW });
    });
    assert.ok(Date.now() - began >= 9_500, 'not before its deadline');
    await poll(() => linesWith(balancer, 'tls_handshake_failed').length === 1, 'one log line');
  });

  test('a stop does not wait for a handshake', async () => {
    const balancer = await start(pair(main), pool(backend), { shutdown_timeout: '20s' });
    const client = await RawClient.connect(`http://127.0.0.1:${balancer.port}`);
    client.send(Buffer.from('1603', 'hex'));
    await withSecure(balancer, (other) => other.exchange(post(call(1))));
    const began = Date.now();
    await balancer.stop();
    assert.ok(Date.now() - began < 8_000);
    client.destroy();
  });

  test('a flood of failures is a bounded number of lines', async () => {
    const balancer = await start();
    const fail = () =>
      RawClient.with(`http://127.0.0.1:${balancer.port}`, async (client) => {
        client.send(get('/'));
        await client.ending();
      });
    const began = Date.now();
    for (let i = 0; i < 10; ++i) await Promise.all(Array.from({ length: 10 }, fail));
    const seconds = Math.floor((Date.now() - began) / 1000) + 2;
    assert.ok(linesWith(balancer, 'tls_handshake_failed').length <= 10 * seconds);
  });

  test('large bodies go through unchanged both ways', async () => {
    const digest = (data) => createHash('sha256').update(data).digest('hex');
    const large = randomBytes(12 * 1024 * 1024).toString('latin1');
    backend.script = (incoming, connection) =>
      connection.send(reply(200, { headers: [['X-Seen', digest(incoming.body)]], body: large }));
    const balancer = await start();
    await withSecure(balancer, async (client) => {
      const body = randomBytes(3 * 1024 * 1024);
      const answer = await client.exchange(request('PUT', '/file', { body }), { limit: SLOW });
      assert.equal(answer.get('X-Seen'), digest(body));
      assert.equal(digest(answer.body.data), digest(bytes(large)));
    });
  });

  test('a client that reads slowly stops the backend', async () => {
    let sent = 0;
    let over = false;
    backend.script = async (_, connection) => {
      await connection.send(lines('HTTP/1.1 200 OK', 'Content-Length: 268435456'));
      const block = Buffer.alloc(256 * 1024);
      for (let i = 0; i < 1024 && !over; ++i) if (await connection.send(block)) sent += block.length;
    };
    const balancer = await start();
    const client = await secure(balancer);
    client.socket.pause();
    client.send(get('/'));
    let before = -1;
    await poll(() => {
      const still = sent > 0 && sent === before;
      before = sent;
      return still;
    }, 'the backend to stand still', { every: 500, limit: SLOW });
    assert.ok(sent < 200 * 1024 * 1024, `the backend got rid of ${sent} bytes`);
    over = true;
    client.destroy();
  });

  test('an event stream is passed on event by event', async () => {
    let stream;
    backend.script = (_, connection) => {
      stream = connection;
      return connection.send(sseHead());
    };
    const balancer = await start();
    await withSecure(balancer, async (client) => {
      client.send(post(call(1)));
      const answer = await client.open();
      for (const text of ['one', 'two', 'three']) {
        await stream.send(chunk(event(text)));
        await answer.body.until(`data: ${text}\n\n`);
      }
      await stream.send(LAST_CHUNK);
      await answer.body.finish();
      assert.ok(answer.body.done);
    });
  });

  test('a session that was opened over TLS keeps its backend', async () => {
    const other = await ScriptedBackend.start();
    running.push(other);
    for (const [id, one] of [['a', backend], ['b', other]]) { // prettier-ignore
      one.script = ({ message }, connection) =>
        connection.send(
          message.method === 'initialize'
            ? json(initializeResult(message.id), { headers: [['Mcp-Session-Id', `session-${id}`]] })
            : json({ jsonrpc: '2.0', id: message.id, result: { of: id } }),
        );
    }
    const balancer = await start(pair(main), pool([backend, other]));
    const opened = await withSecure(balancer, (client) => client.exchange(post(initialize())));
    const session = opened.get('Mcp-Session-Id');
    for (let id = 1; id <= 4; ++id) {
      const sent = post(ask('tools/list', id), { session });
      const answer = await withSecure(balancer, (client) => client.exchange(sent));
      assert.equal(`session-${answer.body.json.result.of}`, session);
    }
  });
});

describe('renewal', () => {
  test('a certificate that is replaced on disk serves new connections; a stream goes on', async () => {
    const renewed = authority.issue('renewed', ['DNS:localhost']);
    let stream;
    backend.script = (_, connection) => {
      stream = connection;
      return connection.send(sseHead());
    };
    const balancer = await start(pair(renewed));
    await withSecure(balancer, async (client) => {
      client.send(post(call(1)));
      const answer = await client.open();
      const old = client.socket.getPeerCertificate().serialNumber;
      authority.issue('renewed', ['DNS:localhost']);
      await poll(() => linesWith(balancer, 'tls_files_reloaded').length > 0, 'a reload', {
        limit: SLOW,
      });
      const fresh = await withSecure(balancer, (other) => other.socket.getPeerCertificate());
      assert.notEqual(fresh.serialNumber, old);
      await stream.send(chunk(event('still here')));
      await answer.body.until('data: still here');
    });
  });

  test('a broken certificate keeps the old one and is one error line', async () => {
    const torn = authority.issue('torn', ['DNS:localhost']);
    const balancer = await start(pair(torn));
    writeFileSync(torn.certificate, 'half a certifi');
    balancer.signal('SIGUSR1');
    await poll(() => linesWith(balancer, 'tls_reload_failed').length > 0, 'a log line');
    balancer.signal('SIGUSR1');
    await withSecure(balancer, async (client) =>
      assertFromBackend(await client.exchange(post(call(1)))),
    );
    const [line, ...more] = linesWith(balancer, 'tls_reload_failed');
    assert.match(line, / error .*torn\.crt.*holds no certificate/);
    assert.deepEqual(more, []);
  });
});

describe('https backends', () => {
  test('a backend with a certificate that we trust is used, and connections are kept', async () => {
    const sockets = new Set();
    const url = await httpsServer(main.node, (incoming, outgoing) => {
      sockets.add(incoming.socket);
      echo(incoming, outgoing);
    });
    const balancer = await start(
      pair(main),
      pool(overTls(url, { ca: authority.file }), { health: { interval: '60s' } }),
    );
    for (const [id, way] of [[1, 'https'], [2, 'http']]) { // prettier-ignore
      const use = (client) => client.exchange(post(call(id)));
      const answer = await (way === 'https'
        ? withSecure(balancer, use)
        : RawClient.with(balancer.plainUrl, use));
      assertFromBackend(answer);
      assert.equal(answer.get('X-Proto'), way);
    }
    assert.equal(sockets.size, 1);
  });

  test('a tcp check shakes hands, and an unknown authority takes a backend out', async () => {
    const strange = new Authority(folder, 'unchecked').issue('unchecked-server', ['IP:127.0.0.1']);
    const bad = await httpsServer(strange.node, echo);
    const good = await httpsServer(main.node, echo);
    const health = { check: 'tcp', interval: '100ms', fall: 2 };
    const trusting = { ca: authority.file };
    const backends = [
      { ...overTls(bad, trusting), id: 'a' },
      { ...overTls(good, trusting), id: 'b' },
    ];
    const balancer = await start(pair(main), pool(backends, { health }));
    await poll(() => linesWith(balancer, 'backend_down').length > 0, 'a backend to be down');
    const [line, ...more] = linesWith(balancer, 'backend_down');
    assert.match(line, /backend=a .*reason=".*certificate/);
    assert.deepEqual(more, []);
  });

  test('an unknown authority is refused, said once, and the next backend gets the request', async () => {
    const strange = new Authority(folder, 'strange').issue('strange-server', ['IP:127.0.0.1']);
    const bad = await httpsServer(strange.node, echo);
    const good = await httpsServer(main.node, echo);
    const trusting = { ca: authority.file };
    const balancer = await start(pair(main), pool([overTls(bad, trusting), overTls(good, trusting)]));
    for (const id of [1, 2, 3, 4]) {
      await withSecure(balancer, async (client) =>
        assertFromBackend(await client.exchange(post(call(id)))),
      );
    }
    await poll(() => linesWith(balancer, 'backend_tls_failed').length > 0, 'a log line');
    const [line] = linesWith(balancer, 'backend_tls_failed');
    assert.match(line, /reason="certificate verify failed: unable to get local issuer certificate"/);
  });

  test('when no backend can be believed, nothing was sent and the client is told so', async () => {
    const elsewhere = authority.issue('elsewhere', ['DNS:elsewhere.example']);
    const url = await httpsServer(elsewhere.node, echo);
    const balancer = await start(pair(main), pool(overTls(url, { ca: authority.file })));
    const answer = await withSecure(balancer, (client) => client.exchange(post(call(1))));
    assertOwnReply(answer, { status: [502, 503], outcome: 'not_sent' });
    await poll(() => linesWith(balancer, 'backend_tls_failed').length > 0, 'a log line');
    assert.match(linesWith(balancer, 'backend_tls_failed')[0], /IP address mismatch/);
  });

  test('verify: false believes anybody', async () => {
    const elsewhere = authority.issue('elsewhere', ['DNS:elsewhere.example']);
    const url = await httpsServer(elsewhere.node, echo);
    const balancer = await start(pair(main), pool(overTls(url, { verify: false })));
    await withSecure(balancer, async (client) =>
      assertFromBackend(await client.exchange(post(call(1)))),
    );
  });

  test('a backend that asks for a certificate gets ours', async () => {
    const ours = authority.issue('balancer', ['DNS:balancer']);
    const asking = { ...main.node, ca: authority.pem, requestCert: true, rejectUnauthorized: true };
    const url = await httpsServer(asking, echo);
    const settings = { ca: authority.file, ...pair(ours) };
    const balancer = await start(pair(main), pool(overTls(url, settings)));
    const answer = await withSecure(balancer, (client) => client.exchange(post(call(1))));
    assertFromBackend(answer);
    assert.equal(answer.get('X-Client'), 'balancer');
  });

  test('a body without a length that ends without close_notify is no clean end', async () => {
    const server = net.createServer((raw) => {
      const socket = new tls.TLSSocket(raw, { isServer: true, ...main.node });
      raw.on('error', () => {});
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf', () => raw.end());
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    server.unref();
    running.push({ stop: () => void server.close() });
    const url = `https://127.0.0.1:${server.address().port}`;
    const balancer = await start(pair(main), pool(overTls(url, { ca: authority.file })));
    await withSecure(balancer, async (client) => {
      client.send(get('/'));
      const answer = await client.brokenReply({ method: 'GET' });
      assert.equal(answer.body.text, 'half');
    });
  });
});

describe('the configuration', () => {
  const check = async (tlsSettings, backends = { url: 'http://127.0.0.1:1' }) => {
    const listeners = [{ address: '127.0.0.1:0', name: 'main', tls: tlsSettings }];
    const file = folder.file('check.yaml', configOf(pool(backends), { listeners }));
    const ended = await run(['check', '-c', file]);
    return { ...ended, at: `${file}:` };
  };

  test('good files pass, and the effective configuration loads again', async () => {
    const ended = await check(pair(main), overTls('https://server', { ca: authority.file }));
    assert.equal(ended.code, 0, ended.output);
    assert.match(ended.stdout, /https:\/\/server:443/);
    const again = await run(['check', '-c', folder.file('again.yaml', ended.stdout)]);
    assert.equal(again.stdout, ended.stdout);
  });

  test('files that cannot be used are errors with their place', async () => {
    const other = authority.issue('someone-else', ['DNS:x']);
    for (const [settings, backends, what] of [
      [{ certificate: '/none.pem', key: main.key }, undefined, 'listeners[0].tls.certificate: /none.pem cannot be read: No such file'],
      [{ certificate: main.certificate, key: other.key }, undefined, `listeners[0].tls.key: ${other.key} does not belong to the certificate`],
      [{ certificate: main.certificate }, undefined, 'listeners[0].tls needs a key, too'],
      [undefined, overTls('https://h', { ca: '/none.pem' }), 'pools[0].backends[0].tls.ca: /none.pem cannot be read'],
      [undefined, overTls('http://h', { ca: authority.file }), 'pools[0].backends[0].tls is for https:// URLs'],
    ]) { // prettier-ignore
      const ended = await check(settings, backends);
      assert.equal(ended.code, 2, ended.output);
      assert.ok(ended.stderr.includes(what), `${what} in ${ended.stderr}`);
      assert.match(ended.stderr.slice(ended.at.length), /^\d+:\d+: /);
      const started = await run(['run', '-c', ended.at.slice(0, -1)]);
      assert.equal(started.code, 2, started.output);
    }
  });

  test('a key with a passphrase is refused and nobody is asked for it', async () => {
    const file = folder.file('locked.key', readFileSync(main.key, 'utf8'));
    const { execFileSync } = await import('node:child_process');
    const locked = execFileSync('openssl', ['ec', '-in', file, '-aes128', '-passout', 'pass:x'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = await check({
      certificate: main.certificate,
      key: folder.file('locked.pem', locked.toString()),
    });
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /no usable private key without a passphrase/);
  });
});
