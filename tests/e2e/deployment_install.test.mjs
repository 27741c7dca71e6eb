// The image's Dockerfile as far as it goes without Docker, `meson install`, the systemd unit, the man
// pages, the completions, and the probe that containers use.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Child } from './lib/child.mjs';
import {
  buildFolder,
  inProject,
  needs,
  programOf,
  projectVersion,
  readJson,
  readText,
  runTool,
} from './lib/deployment.mjs';
import { inSuite } from './lib/node.mjs';
import { startMcplb } from './lib/mcplb.mjs';
import { until } from './lib/wait.mjs';
import { reservedPort } from './raw/lib/ports.mjs';
import { Folder, run } from './raw/lib/process.mjs';

// `test` wants its options between the name and the body.
const withOptions = ([name, options], body) => [name, options, body];
const sanitized = process.env.MCPLB_SANITIZED === 'yes';
const onlyOnce = { skip: sanitized && 'the build under test does not matter here' };

let folder;
before(() => (folder = new Folder()));
after(() => folder.remove());

/** The instructions of a Dockerfile with their arguments; continued lines are joined. */
function instructions(path) {
  const text = readText(path).replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => /^([A-Z]+) (.*)$/.exec(line).slice(1));
}

const named = (list, name) => list.filter(([one]) => one === name).map(([, rest]) => rest);

/** The package that an installed file is from. */
async function packageOf(file) {
  for (const path of [file, file.replace(/^\/lib/, '/usr/lib')]) {
    const { code, stdout } = await runTool('dpkg-query', ['--search', path]);
    if (code === 0) return stdout.split(':')[0];
  }
  throw new Error(`no package has ${file}`);
}

describe('the Dockerfile', () => {
  const all = instructions('Dockerfile');
  const second = all.findLastIndex(([name]) => name === 'FROM');
  const build = all.slice(0, second);
  const image = all.slice(second);
  const copied = named(build, 'COPY').flatMap((rest) => rest.split(' ').slice(0, -1));

  test('copies only files that are there and that .dockerignore lets in', () => {
    const let_in = [...readText('.dockerignore').matchAll(/^!(.*)$/gm)].map(([, path]) => path);
    assert.match(readText('.dockerignore'), /^\*$/m);
    for (const path of copied) {
      assert.ok(existsSync(inProject(path)), path);
      assert.ok(let_in.some((one) => one === path || one.startsWith(`${path}/`)), path);
    }
    for (const path of let_in) assert.ok(existsSync(inProject(path)), path);
  });

  // All of `src` and `include` is copied, so that nothing can be missing after this step.
  test('builds from a folder that has no other files than it copies', onlyOnce, async () => {
    const context = folder.file('context');
    for (const path of copied) {
      const target = join(context, path);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(inProject(path), target, { recursive: true });
    }
    const steps = named(build, 'RUN').map((rest) => rest.split('; ninja')[0]);
    for (const step of steps) {
      const options = { cwd: context, ms: 120_000 };
      const { code, output } = await runTool('bash', ['-euo', 'pipefail', '-c', step], options);
      assert.equal(code, 0, `${step}\n${output}`);
    }
    assert.ok(existsSync(join(context, 'build/release/build.ninja')));
  });

  test('takes the packages and the steps of ./run', () => {
    const [install, make] = named(build, 'RUN');
    const common = 'root=$PWD; source .ci/common.sh;';
    assert.equal(install, `${common} install_missing "\${build_packages[@]}"`);
    assert.ok(make.startsWith(`${common} configure release gcc g++ -Dtests=false`), make);
    const starter = readText('run');
    assert.match(starter, /install_missing "\$\{build_packages\[@\]\}"/);
    assert.match(starter, /configure release gcc g\+\+/);
    assert.match(starter, /options=\(-Dtests=false\)/);
  });

  test('has every library that the program loads, as a package', onlyOnce, async () => {
    const { stdout } = await runTool('ldd', [process.env.MCPLB_BIN]);
    const files = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path]) => path);
    assert.ok(files.length > 5, stdout);
    const wanted = new Set(await Promise.all(files.map(packageOf)));
    const basic = ['libc6', 'libgcc-s1']; // of which Debian's smallest image consists
    const [apt] = named(image, 'RUN');
    const installed = apt.split('--no-install-recommends ')[1].split(' && ')[0].trim().split(/\s+/);
    const libraries = installed.filter((name) => name.startsWith('lib'));
    assert.deepEqual([...wanted].filter((name) => !basic.includes(name)).sort(), libraries.sort());
    assert.ok(installed.includes('ca-certificates'));
  });

  test('its image runs without rights or shell, on pinned Debian, and says what it is', () => {
    const [argument] = named(build, 'ARG');
    assert.match(argument, /^DEBIAN=12\.\d+$/);
    assert.deepEqual(named(all, 'FROM'), ['debian:${DEBIAN} AS build', 'debian:${DEBIAN}-slim']);
    assert.match(named(image, 'USER')[0], /^[1-9]\d+:\d+$/);
    assert.equal(named(image, 'EXPOSE')[0], '8080 9180');
    assert.equal(named(image, 'STOPSIGNAL')[0], 'SIGTERM');
    assert.equal(named(image, 'ENTRYPOINT')[0], '["mcplb"]');
    assert.equal(named(image, 'CMD')[0], '["run", "-c", "/etc/mcplb/mcplb.yaml"]');
    assert.match(named(image, 'HEALTHCHECK')[0], /CMD \["mcplb", "health", "--ready"\]$/);
    assert.ok(named(image, 'LABEL')[0].includes(`image.version="${projectVersion}"`));
  });
});

describe('the Dockerfile of the plain server', () => {
  const all = instructions('compose/mcp-server/Dockerfile');
  const { dependencies } = readJson('compose/mcp-server/package.json');

  test('installs the server that these tests use, with all that it needs pinned', () => {
    const ours = readJson('tests/e2e/package.json').dependencies;
    for (const [name, version] of Object.entries(dependencies)) assert.equal(version, ours[name]);
    const { packages } = readJson('compose/mcp-server/package-lock.json');
    assert.deepEqual(packages[''].dependencies, dependencies);
    assert.ok(Object.values(packages).slice(1).every(({ integrity }) => integrity));
    assert.match(named(all, 'RUN')[0], /^npm ci /);
    const [from] = named(all, 'FROM');
    assert.match(from, /^node:22\.\d+\.\d+-bookworm-slim$/);
  });

  test('starts a program that is there, as a user without rights', () => {
    const [node, file, mode] = JSON.parse(named(all, 'CMD')[0]);
    assert.deepEqual([node, mode], ['node', 'streamableHttp']);
    assert.ok(existsSync(inSuite(file)), file);
    assert.match(named(all, 'USER')[0], /^[1-9]\d*:\d+$/);
  });
});

describe('meson install', () => {
  const build = buildFolder();
  const options = { skip: !build && 'the binary is not in the folder of a build' };
  let root;
  const installed = (path) => join(root, 'usr/local', path);

  before(async () => {
    if (!build) return;
    root = folder.file('root');
    const args = ['install', '-C', build, '--no-rebuild', '--destdir', root];
    const { code, output } = await runTool('meson', args);
    assert.equal(code, 0, output);
  });

  test('installs a program that runs', options, async () => {
    const { code, stdout } = await runTool(installed('bin/mcplb'), ['version']);
    assert.deepEqual([code, stdout], [0, `mcplb ${projectVersion}\n`]);
    const example = installed('etc/mcplb/mcplb.yaml.example');
    const checked = await runTool(installed('bin/mcplb'), ['check', '-c', example]);
    assert.equal(checked.code, 0, checked.output);
  });

  test('touches nothing outside, and nothing that an operator writes', options, () => {
    assert.deepEqual(readdirSync(root), ['usr']);
    assert.deepEqual(readdirSync(join(root, 'usr')), ['local']);
    assert.deepEqual(readdirSync(installed('etc/mcplb')), ['mcplb.yaml.example']);
  });

  const [hardened, hardenedOptions] = needs(
    'setpriv',
    'serves as a user without rights, where nothing can be written',
  );
  test(hardened, { ...onlyOnce, ...hardenedOptions, ...(build ? {} : options) }, async (t) => {
    const readOnly = 'mount -o remount,ro,bind / && ! touch /usr/.written 2>/dev/null';
    const possible = await runTool('unshare', ['--mount', 'sh', '-c', readOnly]);
    if (possible.code !== 0) return t.skip('nobody may make the file system read-only here');
    chmodSync(folder.path, 0o755);
    const rights = '--reuid 65532 --regid 65532 --clear-groups --bounding-set=-all --no-new-privs';
    const script = `${readOnly} && cd / && exec setpriv ${rights} "$0" "$@"`;
    const here = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
    const program = [installed('bin/mcplb'), 'demo', ...here];
    const child = new Child('unshare', ['--mount', 'sh', '-c', script, ...program]);
    try {
      const find = (output) => /listener=admin address=(\S+)/.exec(output)?.[1];
      const admin = await child.awaitOutput(10_000, 'mcplb to listen', find);
      const ready = await run(['health', '--ready', '--admin', admin]);
      assert.deepEqual([ready.code, ready.stdout], [0, 'ready\n']);
      const who = readFileSync(`/proc/${child.process.pid}/status`, 'utf8');
      assert.match(who, /^Uid:\t65532\t65532/m);
      assert.match(who, /^CapEff:\t0+$/m);
    } finally {
      assert.equal((await child.end('SIGTERM', 10_000)).code, 0, child.output);
    }
  });

  test('brings licence, documentation, schema, log rotation', options, () => {
    for (const file of ['LICENSE', 'README.md', 'docs/quick-start.md', 'conf/every-key.yaml'])
      assert.ok(statSync(installed(`share/doc/mcplb/${file}`)).isFile(), file);
    const schema = readFileSync(installed('share/mcplb/mcplb.schema.json'), 'utf8');
    assert.equal(schema, readText('conf/mcplb.schema.json'));
    const rotation = readFileSync(installed('etc/logrotate.d/mcplb'), 'utf8');
    assert.match(rotation, /--signal=USR1 mcplb\.service/);
  });

  test('its unit names the installed program, and all that unit needs', options, () => {
    const unit = readFileSync(installed('lib/systemd/system/mcplb.service'), 'utf8');
    assert.doesNotMatch(unit, /@[A-Z_]+@/);
    assert.match(unit, /^Type=exec$/m);
    assert.match(unit, /^ExecStart=\/usr\/local\/bin\/mcplb run -c \/usr\/local\/etc\/mcplb\/mcplb\.yaml$/m);
    assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
    assert.match(unit, /^RestartPreventExitStatus=2$/m);
    assert.match(unit, /^EnvironmentFile=-\/usr\/local\/etc\/mcplb\/environment$/m);
  });

  const [verify, verifyOptions] = needs('systemd-analyze', 'systemd accepts the unit');
  test(verify, { ...verifyOptions, ...(build ? {} : options) }, async () => {
    const text = readFileSync(installed('lib/systemd/system/mcplb.service'), 'utf8');
    const unit = folder.file('mcplb.service', text.replaceAll('/usr/local/bin', installed('bin')));
    const { code, output } = await runTool('systemd-analyze', ['verify', '--man=no', unit]);
    assert.equal(code, 0, output);
    // It warns of keys that it does not know, and goes on.
    assert.ok(!output.includes('mcplb.service'), output);
  });

  const [exposure, exposureOptions] = needs('systemd-analyze', 'the unit gives hardly any rights');
  test(exposure, { ...exposureOptions, ...(build ? {} : options) }, async () => {
    const unit = installed('lib/systemd/system/mcplb.service');
    const args = ['security', '--no-pager', '--offline=true', '--threshold=20', unit];
    const { code, output } = await runTool('systemd-analyze', args);
    assert.equal(code, 0, output);
  });

  for (const page of ['man1/mcplb.1', 'man5/mcplb.yaml.5']) {
    const [claim, manOptions] = needs('man', `${page} is a page without a mistake`);
    test(claim, { ...manOptions, ...(build ? {} : options) }, async () => {
      const args = ['--warnings', '--encoding=UTF-8', '--local-file', installed(`share/man/${page}`)];
      const { code, output } = await runTool('man', args, { env: { ...process.env, MANWIDTH: '100' } });
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /warning|@[A-Z_]+@/);
    });
  }
});

describe('what is told of the command line', () => {
  /** {command: [options]}, with '' for the options without a command. */
  async function fromHelp() {
    const optionsOf = (help) => [...new Set(help.match(/(?<=[\s,])--[a-z]+/g))].sort();
    const { stdout } = await run(['--help']);
    const commands = [...stdout.split('Subcommands:')[1].matchAll(/^ {2}(\w+) /gm)];
    const found = { '': optionsOf(stdout) };
    for (const [, command] of commands) {
      const help = (await run([command, '--help'])).stdout.split('\n\n');
      found[command] = optionsOf(help.filter((part) => part.startsWith('Options:')).join());
    }
    return found;
  }
  let told;
  before(async () => (told = await fromHelp()));

  test('the man page has every command and every option', () => {
    const page = readText('docs/man/mcplb.1.in').replaceAll('\\-', '-').replaceAll('\\~', ' ');
    for (const [command, options] of Object.entries(told)) {
      assert.match(page, new RegExp(`^\\.BI? ${command}\\b`, 'm'), command);
      for (const option of options) assert.match(page, new RegExp(`[ "]${option}\\b`), option);
    }
  });

  /** What bash offers after a line. */
  async function completed(line, script = '') {
    const program = `
      ${script}
      source "$0"
      COMP_LINE=$1 COMP_POINT=\${#1}
      read -ra COMP_WORDS <<<"$COMP_LINE"
      [[ $COMP_LINE != *" " ]] || COMP_WORDS+=("")
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _mcplb
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const file = inProject('conf/completions/mcplb.bash');
    const { code, output } = await runTool('bash', ['-uc', program, file, line]);
    assert.equal(code, 0, output);
    return output.split('\n').filter((word) => word !== '');
  }

  test('bash completes every command and every option', async () => {
    const commands = Object.keys(told).filter((name) => name !== '');
    assert.deepEqual((await completed('mcplb ')).sort(), commands.sort());
    for (const [command, options] of Object.entries(told))
      assert.deepEqual((await completed(`mcplb ${command} --`)).sort(), options, command);
    assert.deepEqual(await completed('mcplb dr'), ['drain']);
    assert.deepEqual(await completed('mcplb --workers a'), ['auto']);
  });

  test('bash completes the backends of the instance, behind a colon, too', async () => {
    const table = 'POOL BACKEND URL\\ndefault 10.0.0.1:3000 -\\ndefault 10.0.0.2:3001 -\\n';
    const fake = `COMP_WORDBREAKS=$' :'; mcplb() { [[ $* == backends ]] && printf '${table}'; }`;
    const both = ['default/10.0.0.1:3000', 'default/10.0.0.2:3001'];
    assert.deepEqual(await completed('mcplb drain --wait ', fake), both);
    assert.deepEqual(await completed('mcplb drain default/10.0.0.2:', fake), ['3001']);
  });

  for (const [shell, file] of [['zsh', '_mcplb'], ['fish', 'mcplb.fish']]) {
    test(`the completion for ${shell} has every command and every option`, () => {
      const text = readText(`conf/completions/${file}`);
      for (const [command, options] of Object.entries(told)) {
        assert.match(text, new RegExp(`(^|[^-\\w])${command}\\b`, 'm'), command);
        for (const option of options) {
          const written = shell === 'fish' ? `-l ${option.slice(2)} ` : option;
          assert.ok(text.includes(written), `${command} ${option}`);
        }
      }
    });

    test(...withOptions(needs(shell, `${shell} reads its completion`), async () => {
      const path = inProject(`conf/completions/${file}`);
      const { code, output } = await runTool(programOf(shell), ['-n', path]);
      assert.equal(code, 0, output);
    }));
  }
});

describe('mcplb health', () => {
  const health = (balancer, ...args) =>
    run(['health', '--admin', new URL(balancer.adminUrl).host, ...args]);

  test('ends with 0 when healthy and with 1 when not, and tells live and ready apart', async () => {
    const port = await reservedPort();
    const config = {
      admin: { address: '127.0.0.1:0', token: 'a-token-that-probes-do-not-have' },
      pools: [{
        health: { interval: '100ms', timeout: '100ms', fall: 1 },
        backends: [{ url: `http://127.0.0.1:${port}` }],
      }],
    };
    const balancer = await startMcplb({ config });
    try {
      const sick = await until(5_000, 'the backend to be down', async () => {
        const seen = await health(balancer);
        return seen.code === 1 && seen;
      });
      assert.match(sick.stderr, /for its health: unhealthy \(503\)\n$/);
      assert.equal(sick.stdout, '');
      const ready = await health(balancer, '--ready');
      assert.deepEqual([ready.code, ready.stdout], [0, 'ready\n']);
      const live = await health(balancer, '--live');
      assert.deepEqual([live.code, live.stdout], [0, 'alive\n']);
      assert.equal((await health(balancer, '--live', '--ready')).code, 2);
    } finally {
      await balancer.stop();
    }
    const gone = await health(balancer, '--live');
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /nothing listens there/);
  });

  test('says healthy', async () => {
    const balancer = await startMcplb({ args: ['demo', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'] });
    try {
      const { code, stdout } = await until(5_000, 'healthy', async () => {
        const seen = await health(balancer);
        return seen.code === 0 && seen;
      });
      assert.deepEqual([code, stdout], [0, 'healthy\n']);
    } finally {
      await balancer.stop();
    }
  });
});
