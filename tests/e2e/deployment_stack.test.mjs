// The services of compose/compose.yaml as plain processes, with the very same configuration files.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStack, secrets } from './lib/compose_stack.mjs';
import {
  compose,
  dashboardQueries,
  metricNames,
  readJson,
  readYaml,
  ruleQueries,
  runTool,
} from './lib/deployment.mjs';
import { call, connect, textOf } from './lib/legacy.mjs';
import { until } from './lib/wait.mjs';
import { run } from './raw/lib/process.mjs';

const authorized = { headers: { Authorization: `Bearer ${secrets.MCPLB_ADMIN_TOKEN}` } };

describe('the services of compose.yaml', { timeout: 120_000 }, () => {
  let stack;
  const clients = [];
  before(async () => (stack = await startStack()));
  after(async () => {
    await Promise.all(clients.map(({ client }) => client.close()));
    await stack?.stop();
  });

  const ask = async (path) => (await fetch(new URL(path, stack.mcplb.adminUrl), authorized)).json();
  const backends = async () => (await ask('/api/state')).pools[0].backends;
  const untilUp = (ids) =>
    until(15_000, `${ids} to be up`, async () => {
      const up = (await backends()).filter(({ state }) => state === 'up').map(({ id }) => id);
      return up.sort().join() === [...ids].sort().join();
    });
  const cli = (...args) =>
    run([...args, '--admin', new URL(stack.mcplb.adminUrl).host], { env: secrets });
  /** What each client's session answers, and that it is the session that it was. */
  const answers = () =>
    Promise.all(clients.map(async ({ client, transport, sessionId }, number) => {
      const text = textOf(await call(client, 'echo', { message: `m${number}` }));
      assert.equal(text, `Echo: m${number}`);
      assert.equal(transport.sessionId, sessionId);
    })); // prettier-ignore
  const owners = async () => {
    const { sessions } = await ask('/api/sessions?limit=1000');
    return new Set(sessions.map(({ backend }) => backend));
  };
  const openSessions = async (count) => {
    const opened = Array.from({ length: count }, () => connect(stack.mcplb.url));
    clients.push(...(await Promise.all(opened)));
  };

  test('three replicas are found by DNS and hold sessions', async () => {
    assert.equal(stack.replicas.ids.length, 3);
    await untilUp(stack.replicas.ids);
    await openSessions(6);
    await answers();
    assert.deepEqual([...(await owners())].sort(), [...stack.replicas.ids].sort());
  });

  test('sessions are in Redis, which wants its password', async () => {
    const redis = (...words) =>
      runTool('redis-cli', ['-p', String(stack.redis.port), ...words], {
        env: { ...process.env, REDISCLI_AUTH: words[0] === 'ping' ? '' : secrets.REDIS_PASSWORD },
      });
    const keys = await until(5_000, 'six records', async () => {
      const { stdout } = await redis('--scan', '--pattern', 'mcplb:session:default:*');
      return stdout.trim().split('\n').length === 6 && stdout;
    });
    assert.ok(keys.includes(`mcplb:session:default:${clients[0].sessionId}`));
    assert.match((await redis('ping')).output, /NOAUTH/);
  });

  test('the health checks of containers pass, with and without the token', async () => {
    const [, , ...probe] = compose.services.mcplb.healthcheck.test;
    const { code, stdout } = await cli(...probe);
    assert.deepEqual([code, stdout], [0, 'ready\n']);
    const status = await cli('status');
    assert.match(status.stdout, /redis, connected/);
    const { status: refused } = await fetch(new URL('/api/state', stack.mcplb.adminUrl));
    assert.equal(refused, 401);
  });

  test('scaled to five, the new replicas take new sessions, and the old ones keep theirs', async () => {
    await stack.replicas.scale(5);
    assert.equal(stack.replicas.ids.length, 5);
    await untilUp(stack.replicas.ids);
    await openSessions(10);
    await answers();
    assert.deepEqual([...(await owners())].sort(), [...stack.replicas.ids].sort());
  });

  test('scaled to two, every session goes on, and no client notices', async () => {
    await stack.replicas.scale(2);
    await answers();
    await untilUp(stack.replicas.ids);
    await answers();
    assert.deepEqual([...(await owners())].sort(), [...stack.replicas.ids].sort());
  });

  test('Prometheus reaches every target, with the token, and has loaded the rules', async () => {
    assert.equal(stack.prometheus.token(), secrets.MCPLB_ADMIN_TOKEN);
    await until(20_000, 'all targets to be up', async () => {
      const { data } = await stack.prometheus.api('targets');
      return data.activeTargets.every(({ health }) => health === 'up');
    });
    const { data } = await stack.prometheus.api('rules');
    const loaded = data.groups.flatMap(({ rules }) => rules.map(({ name }) => name));
    const files = readYaml('compose/prometheus/rules/mcplb.yml').groups;
    assert.deepEqual(
      loaded.sort(),
      files.flatMap(({ rules }) => rules.map(({ alert, record }) => alert ?? record)).sort(),
    );
  });

  test('mcplb has every metric that is documented, which rules and dashboard ask for', async () => {
    const answer = await fetch(new URL('/metrics', stack.mcplb.adminUrl), authorized);
    const names = [...(await answer.text()).matchAll(/^# TYPE (mcplb_\w+) /gm)].map(([, name]) => name);
    assert.ok(metricNames.length > 20);
    for (const name of metricNames) assert.ok(names.includes(name), name);
  });

  test('Prometheus answers every query of the dashboard, those that matter with figures', async () => {
    const dashboard = readJson('compose/grafana/dashboards/mcplb.json');
    const queries = dashboardQueries(dashboard).map((query) =>
      query.replaceAll('$__rate_interval', '20s').replaceAll(/\$(instance|pool)/g, '.*'),
    );
    const asked = async (query) => {
      const answer = await stack.prometheus.api(`query?query=${encodeURIComponent(query)}`);
      assert.equal(answer.status, 'success', `${query}: ${answer.error}`);
      return answer.data.result;
    };
    for (const query of [...queries, ...ruleQueries(readYaml('compose/prometheus/rules/mcplb.yml'))])
      await asked(query);
    const isAt = (query, figure) =>
      until(15_000, `${query} = ${figure}`, async () => {
        const [sample] = await asked(query);
        return Number(sample?.value[1]) === figure;
      });
    await isAt(queries[0], 1); // the share of backends that are usable
    await isAt('sum(mcplb_sessions)', clients.length);
  });

  test('spans arrive where OTEL_EXPORTER_OTLP_ENDPOINT says', async () => {
    await until(10_000, 'spans', () =>
      stack.collector.received.some(({ path }) => path === '/v1/traces'),
    );
  });
});
