// What an operator does to a balancer that runs: commands of the same binary, and the admin API.
import assert from 'node:assert/strict';
import { Child } from './child.mjs';
import { until, within } from './wait.mjs';

const COMMAND_LIMIT = 60_000;

/** Runs `mcplb ARGS… --admin ADDRESS` to its end: {code, output}. */
async function command(balancer, args) {
  const admin = new URL(balancer.adminUrl).host;
  const child = new Child(process.env.MCPLB_BIN, [...args, '--admin', admin]);
  try {
    const { code } = await within(COMMAND_LIMIT, `mcplb ${args.join(' ')}`, child.ended);
    return { code, output: child.output };
  } finally {
    await child.kill();
  }
}

async function succeed(balancer, ...args) {
  const { code, output } = await command(balancer, args);
  assert.equal(code, 0, `mcplb ${args.join(' ')}: ${output}`);
  return output;
}

export function operate(balancer, pool = 'default') {
  return {
    command: (...args) => command(balancer, args),
    /** Until the backend's last session has left. */
    drain: (backend) => succeed(balancer, 'drain', '--wait', `${pool}/${backend}`),
    activate: (backend) => succeed(balancer, 'activate', `${pool}/${backend}`),
    disable: (backend) => succeed(balancer, 'disable', `${pool}/${backend}`),
    untilUp: (backend) =>
      until(30_000, `${pool}/${backend} to be up`, async () => {
        const answer = await fetch(new URL('/api/state', balancer.adminUrl));
        const { pools } = await answer.json();
        const { backends } = pools.find(({ name }) => name === pool);
        return backends.find(({ id }) => id === backend)?.state === 'up';
      }),
  };
}
