// The command line and the configuration file.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { configOf, pool, stopAll } from './lib/balancer.mjs';
import { call, post } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { Folder, Process, run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';

let folder;
let backend;
const running = [];

before(async () => {
  folder = new Folder();
  backend = await ScriptedBackend.start();
});

beforeEach(() => {
  backend.script = answerOk;
  backend.clear();
});

afterEach(() => stopAll(running.splice(0)));

after(async () => {
  folder.remove();
  await backend.stop();
});

const minimal = (more = {}) => ({
  pools: [{ backends: [{ url: 'http://127.0.0.1:3000' }] }],
  ...more,
});
const check = (...files) => run(['check', ...files.flatMap((file) => ['-c', file])]);
// A scalar of the effective configuration, be it printed as YAML or JSON.
const shows = (text, key, value) =>
  assert.match(text, new RegExp(`"?${key}"?\\s*:\\s*["']?${value}\\b`), text);

async function start(settings = {}, pools = pool(backend), options = {}) {
  const file = folder.file(`run-${Math.random()}.yaml`, configOf(pools, settings));
  const one = new Process(['run', '-c', file], options);
  running.push(one);
  one.url = `http://${await one.address('main')}`;
  one.adminUrl = `http://${await one.address('admin')}`;
  return one;
}

const send = (one, data, options) =>
  RawClient.with(one.url, (client) => client.exchange(data, options));

describe('mcplb check', () => {
  test('prints the effective configuration, defaults included, and exits with 0', async () => {
    const { code, stdout, output } = await check(folder.file('ok.yaml', minimal()));
    assert.equal(code, 0, output);
    shows(stdout, 'heartbeat', '15s');
    shows(stdout, 'retries', '2');
    shows(stdout, 'balance', 'round_robin');
    shows(stdout, 'head_bytes_max', '64KiB');
    assert.match(stdout, /127\.0\.0\.1:3000/);
  });

  test('reads YAML as people write it', async () => {
    const { code, stdout, output } = await check(
      folder.file(
        'people.yaml',
        [
          '# a comment',
          'pools:',
          '  - name: default',
          '    balance: least_connections   # here too',
          '    backends:',
          '      - url: http://127.0.0.1:3000',
          "      - {url: 'http://127.0.0.1:3001', weight: 2, id: two}",
          '',
        ].join('\n'),
      ),
    );
    assert.equal(code, 0, output);
    shows(stdout, 'balance', 'least_connections');
    shows(stdout, 'weight', '2');
  });

  test('what it prints is a configuration again', async () => {
    const first = await check(folder.file('round.yaml', minimal({ log: { level: 'debug' } })));
    const second = await check(folder.file('round-again.yaml', first.stdout));
    assert.equal(second.code, 0, second.output);
    assert.equal(second.stdout, first.stdout);
  });

  test('replaces ${NAME} and ${NAME:-default}', async () => {
    const file = folder.file(
      'env.yaml',
      'instance: "${MY_NAME}"\nlog: {level: "${MY_LEVEL:-warn}"}\npools: [{backends: [{url: "http://${MY_HOST:-127.0.0.1}:3000"}]}]\n',
    );
    const { code, stdout, output } = await run(['check', '-c', file], {
      env: { MY_NAME: 'from-env' },
    });
    assert.equal(code, 0, output);
    shows(stdout, 'instance', 'from-env');
    shows(stdout, 'level', 'warn');
    assert.match(stdout, /127\.0\.0\.1:3000/);
  });

  test('a replaced value cannot change the structure', async () => {
    const file = folder.file(
      'inject.yaml',
      'instance: "${MY_NAME}"\npools: [{backends: [{url: "http://127.0.0.1:3000"}]}]\n',
    );
    const { code, stdout } = await run(['check', '-c', file], {
      env: { MY_NAME: 'x"\nworkers: 7\ny: "' },
    });
    assert.ok(code === 2 || !/^workers: 7$/m.test(stdout), stdout);
  });

  test('masks secrets', async () => {
    const { code, stdout, output } = await check(
      folder.file(
        'secret.yaml',
        minimal({
          secrets: ['top-secret-of-thirty-two-characters!'],
          admin: { address: '127.0.0.1:0', token: 'very-secret-token' },
        }),
      ),
    );
    assert.equal(code, 0, output);
    assert.doesNotMatch(stdout, /top-secret|very-secret/);
  });

  test('given twice, -c merges maps, replaces lists, and the later file wins', async () => {
    const one = folder.file(
      'one.yaml',
      minimal({ log: { level: 'debug', access: 'off' }, workers: 2 }),
    );
    const two = folder.file('two.yaml', {
      log: { access: 'stdout' },
      pools: [{ backends: [{ url: 'http://127.0.0.1:4000' }] }],
    });
    const { code, stdout, output } = await check(one, two);
    assert.equal(code, 0, output);
    shows(stdout, 'level', 'debug');
    shows(stdout, 'access', 'stdout');
    shows(stdout, 'workers', '2');
    assert.match(stdout, /127\.0\.0\.1:4000/);
    assert.doesNotMatch(stdout, /127\.0\.0\.1:3000/);
  });

  const backends = 'pools: [{backends: [{url: "http://127.0.0.1:3000"}]}]';
  for (const [what, text, [line, column], says] of [
    ['an unknown key', `pool: 1\n${backends}\n`, [1, '\\d+'], /pools/],
    [
      'an unknown key deep inside',
      `${backends}\nlimits:\n  head_byte_max: 64KiB\n`,
      [3, 3],
      /head_bytes_max/,
    ],
    [
      'an unknown key of a pool',
      'pools:\n  - name: x\n    balence: round_robin\n    backends: [{url: "http://127.0.0.1:3000"}]\n',
      [3, 5],
      /balance/,
    ],
    ['a duplicate key', `workers: 1\n${backends}\nworkers: 2\n`, [3, 1], /workers/],
    [
      'a duplicate key deep inside',
      `${backends}\nlog:\n  level: info\n  level: debug\n`,
      [4, 3],
      /level/,
    ],
    ['a map where a list belongs', 'pools: {backends: 1}\n', [1, '\\d+'], /pools|list|sequence/i],
    ['a list where a map belongs', `${backends}\nlog: [1]\n`, [2, '\\d+'], /log|map/i],
    [
      'a text where a number belongs',
      `${backends}\nlimits: {headers_max: many}\n`,
      [2, '\\d+'],
      /headers_max|number|many/i,
    ],
    ['a word where a choice belongs', `${backends}\nlog: {level: loud}\n`, [2, '\\d+'], /info/],
    [
      'an unknown balancer',
      'pools: [{balance: fastest, backends: [{url: "http://127.0.0.1:3000"}]}]\n',
      [1, '\\d+'],
      /round_robin/,
    ],
    [
      'a duration without a unit',
      `${backends}\nshutdown_timeout: 25\n`,
      [2, '\\d+'],
      /25s|unit|duration/i,
    ],
    [
      'a duration with an odd unit',
      `${backends}\nshutdown_timeout: 25 parsecs\n`,
      [2, '\\d+'],
      /parsecs|unit|duration/i,
    ],
    [
      'a size without a unit',
      `${backends}\nlimits: {head_bytes_max: 65536}\n`,
      [2, '\\d+'],
      /KiB|unit|size/i,
    ],
    [
      'a negative number',
      `${backends}\nlimits: {headers_max: -1}\n`,
      [2, '\\d+'],
      /headers_max|-1|range|least/i,
    ],
    [
      'an unset variable',
      `instance: "\${NO_SUCH_VARIABLE_HERE}"\n${backends}\n`,
      [1, '\\d+'],
      /NO_SUCH_VARIABLE_HERE/,
    ],
    ['a pool without backends', 'pools: [{name: x}]\n', [1, '\\d+'], /backends/],
    ['a pool with no backend in its list', 'pools: [{backends: []}]\n', [1, '\\d+'], /backend/],
    ['a bad URL', 'pools: [{backends: [{url: "not a url"}]}]\n', [1, '\\d+'], /url/i],
    [
      'a URL of another scheme',
      'pools: [{backends: [{url: "ftp://127.0.0.1:21"}]}]\n',
      [1, '\\d+'],
      /http/,
    ],
    [
      'a bad port',
      'pools: [{backends: [{url: "http://127.0.0.1:99999"}]}]\n',
      [1, '\\d+'],
      /port|99999|url/i,
    ],
    [
      'a bad listener address',
      `${backends}\nlisteners: [{address: "nonsense"}]\n`,
      [2, '\\d+'],
      /address|nonsense/,
    ],
    [
      'a bad network',
      `${backends}\ntrusted_proxies: ["10.0.0.0/99"]\n`,
      [2, '\\d+'],
      /10\.0\.0\.0|CIDR/i,
    ],
    [
      'two pools of one name',
      'pools: [{name: x, backends: [{url: "http://127.0.0.1:1"}]}, {name: x, backends: [{url: "http://127.0.0.1:2"}]}]\n',
      [1, '\\d+'],
      /x/,
    ],
    [
      'two backends of one id',
      'pools: [{backends: [{url: "http://127.0.0.1:1", id: a}, {url: "http://127.0.0.1:2", id: a}]}]\n',
      [1, '\\d+'],
      /a/,
    ],
    [
      'a route to a listener that is not there',
      'pools: [{routes: [{listener: nowhere}], backends: [{url: "http://127.0.0.1:1"}]}]\n',
      [1, '\\d+'],
      /nowhere/,
    ],
    ['an empty file', '', ['\\d+', '\\d+'], /./],
    [
      'text that is not YAML',
      'pools: [{backends: [{url: "http://127.0.0.1:1"}]\nworkers: 1\n',
      ['\\d+', '\\d+'],
      /./,
    ],
    ['tabs as indentation', 'pools:\n\t- name: x\n', ['\\d+', '\\d+'], /./],
    ['a list as the whole file', '- 1\n- 2\n', [1, '\\d+'], /./],
    ['a scalar as the whole file', 'hello\n', [1, '\\d+'], /./],
  ]) {
    test(`${what} is refused with its place and exit code 2`, async () => {
      const file = folder.file('wrong.yaml', text);
      const { code, output } = await check(file);
      assert.equal(code, 2, output);
      assert.match(
        output,
        new RegExp(`${file.replaceAll('.', '\\.')}:${line}:${column}: `),
        output,
      );
      assert.match(output.replaceAll(file, ''), says, output);
    });
  }

  test('a file that is not there is refused with its name', async () => {
    const { code, output } = await check('/nonexistent/mcplb.yaml');
    assert.equal(code, 2, output);
    assert.match(output, /nonexistent\/mcplb\.yaml/);
  });
});

describe('the command line', () => {
  test('schema prints a JSON Schema that knows the keys', async () => {
    const { code, stdout } = await run(['schema']);
    assert.equal(code, 0);
    const schema = JSON.parse(stdout);
    assert.match(schema.$schema, /json-schema\.org/);
    for (const key of [
      'pools',
      'listeners',
      'limits',
      'log',
      'admin',
      'workers',
      'shutdown_timeout',
    ]) {
      assert.ok(schema.properties[key], key);
    }
  });

  test('version prints a version', async () => {
    const { code, stdout } = await run(['version']);
    assert.equal(code, 0);
    assert.match(stdout, /\d+\.\d+/);
  });

  for (const [what, args] of [
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['run', '--frobnicate']],
    ['nothing to serve', ['run']],
    ['-c without a file', ['run', '-c']],
    ['a bad --backend', ['--backend', 'nonsense']],
    ['a bad --workers', ['--backend', 'http://127.0.0.1:1', '--workers', 'many']],
  ]) {
    test(`${what} exits with 2 and says why`, async () => {
      const { code, output } = await run(args);
      assert.equal(code, 2, output);
      assert.ok(output.trim().length > 0);
    });
  }

  for (const args of [['--help'], ['run', '--help']]) {
    test(`${args.join(' ')} explains and exits with 0`, async () => {
      const { code, output } = await run(args);
      assert.equal(code, 0);
      assert.match(output, /-c|--config/);
    });
  }

  test('--backend and --listen serve without a file', async () => {
    const one = new Process([
      '--backend',
      backend.url,
      '--listen',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
    ]);
    running.push(one);
    one.url = `http://${await one.address('main')}`;
    assertFromBackend(await send(one, post(call(1))));
  });

  test('several --backend are one pool', async () => {
    const second = await ScriptedBackend.start();
    const one = new Process([
      '--backend',
      backend.url,
      '--backend',
      second.url,
      '--listen',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--workers',
      '1',
    ]);
    running.push(one);
    one.url = `http://${await one.address('main')}`;
    for (let id = 0; id < 6; id += 1) assertFromBackend(await send(one, post(call(id))));
    assert.equal(backend.requests.length, 3);
    assert.equal(second.requests.length, 3);
    await second.stop();
  });

  test('--listen and --admin override the file', async () => {
    const file = folder.file(
      'override.yaml',
      configOf(pool(backend), {
        listeners: [{ address: '127.0.0.1:1', name: 'main' }],
        admin: { address: '127.0.0.1:1' },
      }),
    );
    const one = new Process([
      'run',
      '-c',
      file,
      '--listen',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
    ]);
    running.push(one);
    assert.match(await one.address('main'), /^127\.0\.0\.1:\d{4,5}$/);
    assert.match(await one.address('admin'), /^127\.0\.0\.1:\d{4,5}$/);
  });

  test('run refuses a wrong file with its place and exit code 2', async () => {
    const file = folder.file(
      'wrong-run.yaml',
      'pools: [{backends: [{url: "http://127.0.0.1:1"}]}]\nworker: 1\n',
    );
    const { code, output } = await run(['run', '-c', file]);
    assert.equal(code, 2, output);
    assert.match(output, /wrong-run\.yaml:2:1: .*workers/);
  });

  test('an admin address that is not loopback wants a token', async () => {
    const file = folder.file(
      'open-admin.yaml',
      configOf(pool(backend), { admin: { address: '0.0.0.0:0' } }),
    );
    const { code, output } = await run(['run', '-c', file]);
    assert.equal(code, 2, output);
    assert.match(output, /token/);
  });

  test('an admin address that is not loopback is fine with a token', async () => {
    const file = folder.file(
      'token-admin.yaml',
      configOf(pool(backend), { admin: { address: '0.0.0.0:0', token: 'sesame-sesame-sesame' } }),
    );
    const one = new Process(['run', '-c', file]);
    running.push(one);
    await one.address('admin');
  });

  test('a second instance on the same port fails loudly with exit code 1', async () => {
    const one = await start();
    const { host } = new URL(one.url);
    const file = folder.file(
      'second.yaml',
      configOf(pool(backend), { listeners: [{ address: host, name: 'main' }] }),
    );
    const { code, output } = await run(['run', '-c', file]);
    assert.equal(code, 1, output);
    assert.match(output, new RegExp(host.replaceAll('.', '\\.')));
    assert.match(output, /in use|EADDRINUSE/i);
    assertFromBackend(await send(one, post(call(1))));
  });
});
