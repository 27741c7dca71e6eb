// Balancers and the shared store are killed under load, and no session is lost.
//   MCPLB_SURVIVAL_SECONDS=60 makes the load last longer, with more kills (150 is the most)
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startEverythingReplicas } from './lib/everything.mjs';
import { poolOf } from './lib/mcplb.mjs';
import { Phoenix } from './lib/phoenix.mjs';
import { Traffic } from './lib/traffic.mjs';
import { sleep, until } from './lib/wait.mjs';
import { Redis } from './raw/lib/redis.mjs';

const SECONDS = Math.min(Number(process.env.MCPLB_SURVIVAL_SECONDS ?? 12), 150);
const CYCLE = 12_000; // ms for one kill of everything that there is
const CLIENTS = process.env.MCPLB_SANITIZED === 'yes' ? 8 : 30;

let replicas;
let traffic;
const running = [];

before(async () => {
  replicas = await startEverythingReplicas();
});

afterEach(async () => {
  await traffic?.close();
  traffic = undefined;
  for (const one of running.splice(0)) await one.stop();
});

after(() => replicas?.stop());

async function balancer(name, more = {}) {
  const one = await Phoenix.start(name, { pools: [poolOf(replicas.urls)], ...more });
  running.push(one);
  return one;
}

/** Until every client has got another answer. What has failed is told at the end. */
async function progress() {
  const before = [...traffic.answered];
  const all = () => traffic.answered.every((count, client) => count > before[client]);
  await until(20_000, 'an answer for every client', () => traffic.failures.length > 0 || all());
}

/** Everything that must hold when the load is over. */
async function assertSurvived(t, kills) {
  await progress();
  await traffic.stop();
  const seen = traffic.report();
  t.diagnostic(JSON.stringify({ clients: CLIENTS, kills, ...seen }));
  assert.deepEqual(seen.failures, []);
  assert.equal(seen.lostCalls, 0, 'no server was lost');
  assert.equal(seen.lost, 0, JSON.stringify(seen.statuses));
  assert.equal(seen.initializes, CLIENTS);
  assert.ok(traffic.inFlight.length <= kills * CLIENTS);
}

test('one balancer without a store is killed and restarted, and no session is lost', async (t) => {
  const only = await balancer('only');
  traffic = new Traffic([only]);
  await traffic.start(CLIENTS);
  const kills = 3;
  for (let i = 0; i < kills; i++) {
    await progress();
    await only.kill();
    await only.start();
  }
  await assertSurvived(t, kills);
});

test('balancers and their store are killed in turn, and no session is lost', async (t) => {
  const redis = await Redis.start();
  running.push(redis);
  const store = { redis: { url: redis.url } };
  const a = await balancer('a', { store });
  const b = await balancer('b', { store });
  traffic = new Traffic([a, b]);
  await traffic.start(CLIENTS);
  const end = Date.now() + SECONDS * 1000;
  let kills = 0;
  do {
    for (const victim of [a, redis, b]) {
      await progress();
      await sleep(CYCLE / 6);
      await victim.kill();
      if (victim !== redis) kills += 1;
      await sleep(CYCLE / 12);
      await victim.start();
    }
    await sleep(CYCLE / 4);
  } while (Date.now() + CYCLE / 2 < end);
  await assertSurvived(t, kills);
});
