// A Redis server of the tests' own: keeps its port over restarts, and nothing on disk that outlives it.

import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { reservedPort } from './ports.mjs';
import { Folder } from './process.mjs';
import { poll } from './waiting.mjs';

const present = new Set();
process.once('exit', () => present.forEach((redis) => redis.end()));

export class Redis {
  #folder = new Folder(); // a replica writes what it is sent into a file
  #first;
  #options;
  #cli;

  static async start(more) {
    const redis = await Redis.away(more);
    await redis.start();
    return redis;
  }

  // One that is not there yet. `options` are more of the server's: {name: value or words};
  // `first` is what stands before them on the command line, and `cli` what redis-cli needs to get in.
  static async away({ first = [], options = {}, cli = [] } = {}) {
    const redis = new Redis();
    redis.#first = first;
    redis.#options = options;
    redis.#cli = cli;
    redis.port = await reservedPort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    present.add(redis);
    return redis;
  }

  async start() {
    const tls = 'tls-cert-file' in this.#options;
    const place = tls ? { port: 0, 'tls-port': this.port } : { port: this.port };
    const memory = { dir: this.#folder.path, save: '', appendonly: 'no' };
    const mine = { ...place, ...memory, bind: '127.0.0.1' };
    const options = Object.entries({ ...mine, ...this.#options });
    const args = options.flatMap(([name, value]) => [`--${name}`, ...[value].flat().map(String)]);
    this.output = '';
    this.child = spawn('redis-server', [...this.#first, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.unref(); // a test that failed half-way must not keep the process
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.unref();
      stream.on('data', (text) => (this.output += text));
    }
    const answers = () =>
      this.cli('PING').then(
        (answer) => answer === 'PONG',
        () => false,
      );
    await poll(answers, () => `redis-server to answer; output: ${this.output}`);
  }

  // One command; its reply as redis-cli shows it in JSON. HGETALL gives an object.
  async cli(...words) {
    const args = ['-p', this.port, '-e', '--json', ...this.#cli, ...words].map(String);
    const { stdout } = await promisify(execFile)('redis-cli', args, { timeout: 5000 });
    return JSON.parse(stdout);
  }

  async keys(pattern = '*') {
    return (await this.cli('KEYS', pattern)).sort();
  }

  // It stays connected and says nothing, as a machine that hangs.
  freeze() {
    this.child.kill('SIGSTOP');
  }

  thaw() {
    this.child.kill('SIGCONT');
  }

  // Gone at once, with all that it knew; start() brings an empty one back on the same port.
  async kill() {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.ref();
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  async stop() {
    await this.kill();
    this.end();
  }

  end() {
    present.delete(this);
    this.child?.kill('SIGKILL');
    this.#folder.remove();
  }
}
