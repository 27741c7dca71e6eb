// Where the commands of one page run: a folder of its own, with `mcplb` on the PATH and free ports
// instead of the well-known ones that the page names.
import { chmodSync, existsSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Authority } from '../raw/lib/certificates.mjs';
import { PlainServer } from '../raw/lib/plain_servers.mjs';
import { reservedPort } from '../raw/lib/ports.mjs';
import { Folder } from '../raw/lib/process.mjs';
import { Redis } from '../raw/lib/redis.mjs';
import { Child } from './child.mjs';
import { within } from './wait.mjs';

const BLOCK_LIMIT = 20_000;
// Ports that pages name: of listeners, admin listeners, servers, Redis.
const WELL_KNOWN = [8080, 8081, 8082, 9180, 9181, 9182, 3001, 3002, 3003, 6379];
const named = new RegExp(`(:-?|=)(${WELL_KNOWN.join('|')})\\b`, 'g');

// What neither the command line nor a file says is said here: where to listen, and whom to ask.
const wrapper = ({ binary, main, admin }) => `#!/usr/bin/env bash
all=("$@") more=()
says() {
  [[ " \${all[*]} " != *" $1 "* ]] || return 0
  for word in "\${all[@]}"; do [ ! -f "$word" ] || ! grep -q "^$2:" "$word" || return 0; done
  return 1
}
case "\${1-}" in
  status | backends | sessions | session | drain | activate | disable | reload)
    says --admin no-key || more+=(--admin 127.0.0.1:${admin}) ;;
  check | schema | version | --version | --help | -h) ;;
  *)
    says --admin admin || more+=(--admin 127.0.0.1:${admin})
    says --listen listeners || more+=(--listen 127.0.0.1:${main}) ;;
esac
exec ${binary} "$@" "\${more[@]}"
`;

export class PageFolder {
  #folder = new Folder();
  #ports = new Map();
  #running = [];
  #redis;

  static async make(root) {
    const page = new PageFolder();
    for (const port of WELL_KNOWN) page.#ports.set(String(port), String(await reservedPort()));
    const file = page.file('mcplb', wrapper({
      binary: process.env.MCPLB_BIN,
      main: page.#ports.get('8080'),
      admin: page.#ports.get('9180'),
    })); // prettier-ignore
    chmodSync(file, 0o755);
    for (const name of ['conf', 'tests', 'compose', 'docs']) {
      if (existsSync(join(root, name))) symlinkSync(join(root, name), page.path(name));
    }
    return page;
  }

  path(name) {
    return join(this.#folder.path, name);
  }

  file(name, text) {
    return this.#folder.file(name, text);
  }

  /** The text with the ports that are free here. */
  here(text) {
    return text.replace(named, (_, before, port) => before + this.#ports.get(port));
  }

  /** The inverse: as the page would show it. */
  #there(text) {
    let out = text.replaceAll(this.#folder.path, '.');
    for (const [port, here] of this.#ports) out = out.replaceAll(here, port);
    return out;
  }

  async provide(wish) {
    const [what, ...ports] = wish.split(' ');
    if (what === 'demo') await this.start('mcplb demo');
    else if (what === 'stop') await this.#end();
    else if (what === 'start') await this.start(ports.join(' '));
    else if (what === 'redis') await this.#startRedis();
    else if (what === 'servers') await Promise.all(ports.map((port) => this.#startServer(port)));
    else throw new Error(`nobody knows how to provide "${wish}"`);
  }

  async #startServer(port) {
    const here = this.#ports.get(port);
    this.#running.push(await PlainServer.start(`server-${port}`, { port: Number(here) }));
  }

  async #startRedis() {
    this.#redis = await Redis.start();
    this.#ports.set('6379', String(this.#redis.port));
    this.#running.push(this.#redis);
  }

  #bash(script) {
    // Names and functions of one block are there in the next, as in a terminal.
    const state = this.path('.state');
    const text = `[ ! -f ${state} ] || source ${state}
${this.here(script)}
{ declare -f; declare -p | grep -E '^declare -(-|x) [A-Za-z]' | grep -vE ' (BASH|_=|REDIS_URL=|PATH=)'; } >${state}
`;
    const PATH = this.#folder.path + delimiter + process.env.PATH;
    return new Child('bash', ['-euo', 'pipefail', '-c', text], {
      cwd: this.#folder.path,
      env: { PATH, REDIS_URL: this.#redis?.url ?? '', HOME: this.#folder.path },
    });
  }

  /** Runs to the end: {code, stdout, output} in the page's words. */
  async run(script) {
    const child = this.#bash(script);
    try {
      const { code } = await within(BLOCK_LIMIT, script, child.ended);
      return { code, stdout: this.#there(child.stdout), output: this.#there(child.output) };
    } finally {
      await child.kill();
    }
  }

  /** Starts what serves, and leaves it there until the page ends. */
  async start(script) {
    const child = this.#bash(`exec ${script.trim().replace(/ *#.*$/, '')}`);
    this.#running.push({ stop: () => child.end('SIGTERM', 10_000) });
    await child.awaitOutput(BLOCK_LIMIT, `${script} listens`, (output) =>
      /listening .*listener=admin/.test(output),
    );
  }

  /** `mcplb check` of a block that may be a part of a file: what is wrong with it, or "". */
  async checked(text, line) {
    const name = `line-${line}.yaml`;
    this.file(name, this.#complete(text));
    const more = /^pools:/m.test(text) ? '' : `-c ${this.file(`${name}.pools`, ONE_POOL)}`;
    const { code, output } = await this.run(`${this.#variables(text)} mcplb check ${more} -c ${name}`);
    return code === 0 ? '' : output;
  }

  // Every variable has a value that fits, every certificate is there.
  #variables(text) {
    const names = [...text.matchAll(/\$\{([A-Z_a-z]+)\}/g)].map((match) => match[1]);
    const valueOf = (name) =>
      name === 'REDIS_URL' ? 'redis://127.0.0.1:6379/0' : 'a-value-of-thirty-two-characters-or-so';
    return [...new Set(names)].map((name) => `${name}=${valueOf(name)}`).join(' ');
  }

  #complete(text) {
    let whole = this.here(text);
    if (/^pools:/m.test(whole) && !/\bbackends:|registration:/.test(whole)) {
      whole = whole.replace(/^( *)- (?=\w)/m, '$1- backends: [{url: "http://127.0.0.1:3001"}]\n$1  ');
    }
    return /\.(pem|key|crt)\b/.test(whole) ? this.#withCertificates(whole) : whole;
  }

  #withCertificates(text) {
    this.authority ??= new Authority(this.#folder);
    this.pair ??= this.authority.issue('docs', ['DNS:example.org']);
    return text
      .replace(/(\bca: *)[^\s,}]+/g, `$1${this.authority.file}`)
      .replace(/(\bcertificate: *)[^\s,}]+/g, `$1${this.pair.certificate}`)
      .replace(/(\bkey: *)[^\s,}]+/g, `$1${this.pair.key}`);
  }

  async #end() {
    for (const one of this.#running.splice(0).reverse()) await one.stop();
  }

  async stop() {
    await this.#end();
    this.#folder.remove();
  }
}

const ONE_POOL = 'pools: [{backends: [{url: "http://127.0.0.1:3001"}]}]\n';
