// A Redis server of the tests' own: keeps its port over restarts, and nothing on disk.

import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { refusedPort } from './balancer.mjs';
import { poll } from './waiting.mjs';

// Those that a test which failed half-way left behind.
const all = new Set();
process.once('exit', () => all.forEach((redis) => redis.child?.kill('SIGKILL')));

export class Redis {
  static async start() {
    const redis = await Redis.away();
    await redis.start();
    return redis;
  }

  // One that is not there yet.
  static async away() {
    const redis = new Redis();
    redis.port = await refusedPort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    all.add(redis);
    return redis;
  }

  async start() {
    const options = { port: this.port, bind: '127.0.0.1', save: '', appendonly: 'no' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    this.output = '';
    this.child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
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
    const args = ['-p', this.port, '-e', '--json', ...words].map(String);
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

  stop() {
    return this.kill();
  }
}
