// The manifests of conf/kubernetes: against the schemas of Kubernetes, and against each other.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import YAML from 'yaml';
import {
  inProject,
  needs,
  projectVersion,
  readAllYaml,
  readText,
  readYaml,
  runTool,
  secondsOf,
} from './lib/deployment.mjs';

// `test` wants its options between the name and the body.
const withOptions = ([name, options], body) => [name, options, body];

const folder = 'conf/kubernetes';
const kustomization = readYaml(`${folder}/kustomization.yaml`);
const config = readYaml(`${folder}/mcplb.yaml`);
const secret = readYaml(`${folder}/secret.example.yaml`);
const objects = kustomization.resources.flatMap((file) => readAllYaml(`${folder}/${file}`));
const find = (kind, name) => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found, `${kind} ${name}`);
  return found;
};
const ofKind = (...kinds) => objects.filter(({ kind }) => kinds.includes(kind));
const workloads = ofKind('Deployment', 'StatefulSet');
const podOf = (workload) => workload.spec.template.spec;
const labelsOf = (workload) => workload.spec.template.metadata.labels;
const portOf = (address) => Number(address.split(':').at(-1));
const fits = (selector, labels) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);
const selected = (selector) => workloads.filter((workload) => fits(selector, labelsOf(workload)));
// Of a container's port, by its name or number.
const portNumber = (workload, port) =>
  podOf(workload).containers[0].ports.find(({ name, containerPort }) =>
    [name, containerPort].includes(port),
  )?.containerPort;

/** The model of a kind; its validate() holds an object against the schema of Kubernetes. */
async function modelOf({ apiVersion, kind }) {
  const models = await import(`kubernetes-models/${groupOf(apiVersion)}/${kind}`);
  return models[kind];
}

const groupOf = (apiVersion) => {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return group === '' ? version : `${group}/${version}`;
};

describe('Kubernetes manifests', () => {
  for (const object of [...objects, secret]) {
    test(`${object.kind} ${object.metadata.name} fits the schema of ${object.apiVersion}`, async () => {
      const Model = await modelOf(object);
      new Model(structuredClone(object)).validate();
      assert.throws(() => new Model({ ...object, metadata: 7 }).validate());
    });
  }

  test('every file is part of the kustomization, but for secrets and what needs an operator', () => {
    const there = readdirSync(inProject(folder)).sort();
    const generated = kustomization.configMapGenerator.flatMap(({ files }) => files);
    const others = ['kustomization.yaml', 'secret.example.yaml', 'service-monitor.yaml'];
    assert.deepEqual([...kustomization.resources, ...generated, ...others].sort(), there);
  });

  test(...withOptions(needs('kubectl', 'kubectl kustomize builds them'), async () => {
    const { code, output, stdout } = await runTool('kubectl', ['kustomize', inProject(folder)]);
    assert.equal(code, 0, output);
    const built = YAML.parseAllDocuments(stdout).map((document) => document.toJS());
    assert.equal(built.length, objects.length + kustomization.configMapGenerator.length);
    for (const { kind, metadata } of built)
      assert.equal(kind === 'Namespace' ? metadata.name : metadata.namespace, 'mcplb');
    const maps = built.filter(({ kind }) => kind === 'ConfigMap');
    const mounted = JSON.stringify(built.filter(({ kind }) => kind !== 'ConfigMap'));
    for (const { metadata } of maps) assert.ok(mounted.includes(`"name":"${metadata.name}"`));
    assert.equal(maps.find(({ data }) => 'mcplb.yaml' in data).data['mcplb.yaml'],
      readText(`${folder}/mcplb.yaml`)); // prettier-ignore
  }));

  for (const workload of workloads) {
    const { name } = workload.metadata;
    const pod = podOf(workload);
    const [container] = pod.containers;

    test(`${name} is admitted by the restricted pod security standard`, () => {
      const { securityContext } = pod;
      assert.equal(securityContext.runAsNonRoot, true);
      assert.ok(securityContext.runAsUser > 0);
      assert.deepEqual(securityContext.seccompProfile, { type: 'RuntimeDefault' });
      assert.equal(pod.automountServiceAccountToken, false);
      assert.ok(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC);
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const { labels } = find('Namespace', 'mcplb').metadata;
      assert.equal(labels['pod-security.kubernetes.io/enforce'], 'restricted');
    });

    test(`${name} is selected by its own labels, has bounds, and probes on ports that it has`, () => {
      assert.deepEqual(selected(workload.spec.selector.matchLabels), [workload]);
      assert.ok(container.resources.requests.cpu && container.resources.limits.memory);
      for (const probe of ['readinessProbe', 'livenessProbe']) {
        const { httpGet, tcpSocket } = container[probe];
        assert.ok(portNumber(workload, (httpGet ?? tcpSocket).port), probe);
      }
    });

    test(`${name} names only volumes, config maps and secrets that there are`, () => {
      const generated = kustomization.configMapGenerator.map((one) => one.name);
      for (const mount of container.volumeMounts ?? []) {
        const volume = pod.volumes.find((one) => one.name === mount.name);
        assert.ok(volume, mount.name);
        if (volume.configMap) assert.ok(generated.includes(volume.configMap.name));
      }
      for (const { valueFrom } of container.env) {
        if (!valueFrom) continue;
        assert.equal(valueFrom.secretKeyRef.name, secret.metadata.name);
        assert.ok(valueFrom.secretKeyRef.key in secret.stringData, valueFrom.secretKeyRef.key);
      }
      const { images } = kustomization;
      const named = images.find((image) => image.name === container.image);
      assert.match(named ? named.newTag : container.image, /\d+\.\d+\.\d+/);
      if (named) assert.equal(named.newTag, projectVersion);
    });
  }

  test('services lead to pods, and to ports that these have', () => {
    for (const { metadata, spec } of ofKind('Service')) {
      const [workload, ...more] = selected(spec.selector);
      assert.ok(workload && more.length === 0, metadata.name);
      for (const { targetPort } of spec.ports) assert.ok(portNumber(workload, targetPort));
    }
  });

  test('the balancers listen where their containers and probes say', () => {
    const mcplb = find('Deployment', 'mcplb');
    assert.equal(portNumber(mcplb, 'http'), portOf(config.listeners[0].address));
    assert.equal(portNumber(mcplb, 'admin'), portOf(config.admin.address));
    const [container] = podOf(mcplb).containers;
    const pathOf = (probe) => [probe.httpGet.path, probe.httpGet.port];
    assert.deepEqual(pathOf(container.readinessProbe), ['/health/ready', 'admin']);
    assert.deepEqual(pathOf(container.startupProbe), ['/health/ready', 'admin']);
    assert.deepEqual(pathOf(container.livenessProbe), ['/health/live', 'admin']);
    const [{ mountPath }] = container.volumeMounts;
    assert.deepEqual(container.args, ['run', '-c', `${mountPath}/mcplb.yaml`]);
    const names = container.env.map(({ name }) => name);
    for (const [, name] of readText(`${folder}/mcplb.yaml`).matchAll(/\$\{(\w+)\}/g))
      assert.ok(names.includes(name), name);
  });

  test('the balancers find the replicas and Redis by the names of their services', () => {
    const { hostname, port } = new URL(config.pools[0].backends[0].dns);
    const [service, namespace, ...rest] = hostname.split('.');
    assert.deepEqual([namespace, rest.join('.')], [kustomization.namespace, 'svc.cluster.local']);
    const { spec } = find('Service', service);
    assert.equal(spec.clusterIP, 'None');
    const [server] = selected(spec.selector);
    assert.equal(portNumber(server, spec.ports[0].targetPort), Number(port));
    assert.equal(spec.ports[0].port, Number(port));
    assert.equal(server.spec.serviceName, service);
    const redis = new URL(secret.stringData['redis-url']);
    assert.equal(find('Service', redis.hostname).spec.ports[0].port, Number(redis.port));
    assert.match(readText(`${folder}/redis.conf`), new RegExp(`^port ${redis.port}$`, 'm'));
  });

  test('everything has the time to end that its configuration takes', () => {
    const mcplb = podOf(find('Deployment', 'mcplb'));
    const ending = secondsOf(config.shutdown_delay) + secondsOf(config.shutdown_timeout);
    assert.ok(mcplb.terminationGracePeriodSeconds > ending);
    const { readinessProbe } = mcplb.containers[0];
    const noticed = readinessProbe.periodSeconds * readinessProbe.failureThreshold;
    assert.ok(secondsOf(config.shutdown_delay) > noticed);
    const server = podOf(find('StatefulSet', 'mcp-server'));
    const [, hook] = server.containers[0].lifecycle.preStop.exec.command;
    const [{ drain, backends }] = config.pools;
    assert.ok(Number(hook) > secondsOf(drain.timeout) + secondsOf(backends[0].refresh));
    assert.ok(server.terminationGracePeriodSeconds > Number(hook));
  });

  test('the autoscaler alone says how many balancers there are, and never fewer than two', () => {
    const { spec } = find('HorizontalPodAutoscaler', 'mcplb');
    const target = find(spec.scaleTargetRef.kind, spec.scaleTargetRef.name);
    assert.equal(target.spec.replicas, undefined);
    assert.ok(spec.minReplicas >= 2 && spec.maxReplicas > spec.minReplicas);
    assert.ok(podOf(target).containers[0].resources.requests.cpu);
  });

  test('disruptions take one pod at a time', () => {
    for (const { spec, metadata } of ofKind('PodDisruptionBudget')) {
      assert.equal(spec.maxUnavailable, 1);
      assert.equal(selected(spec.selector.matchLabels)[0].metadata.name, metadata.name);
    }
  });

  test('network policies deny by default, and open only ports that there are', () => {
    const deny = find('NetworkPolicy', 'default-deny').spec;
    assert.deepEqual(deny, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    for (const { metadata, spec } of ofKind('NetworkPolicy')) {
      if (metadata.name === 'default-deny') continue;
      const [own] = selected(spec.podSelector.matchLabels);
      for (const { ports, from = [] } of spec.ingress) {
        for (const { port } of ports) assert.ok(portNumber(own, port), `${metadata.name} ${port}`);
        for (const { podSelector } of from)
          if (podSelector) assert.equal(selected(podSelector.matchLabels).length, 1);
      }
      for (const { ports, to } of spec.egress ?? []) {
        const [other] = to.flatMap(({ podSelector, namespaceSelector }) =>
          podSelector && !namespaceSelector ? selected(podSelector.matchLabels) : [],
        );
        if (other) for (const { port } of ports) assert.ok(portNumber(other, port));
      }
    }
  });

  test('the service monitor finds the admin port and its token', () => {
    const { spec, metadata } = readYaml(`${folder}/service-monitor.yaml`);
    const [service, ...more] = ofKind('Service').filter((one) =>
      fits(spec.selector.matchLabels, one.metadata.labels),
    );
    assert.equal(more.length, 0);
    assert.equal(service.spec.ports[0].name, spec.endpoints[0].port);
    const { credentials } = spec.endpoints[0].authorization;
    assert.equal(credentials.name, secret.metadata.name);
    assert.ok(credentials.key in secret.stringData);
    // The alerts know the balancers by this name of their job.
    assert.equal(service.metadata.labels[spec.jobLabel], 'mcplb');
    assert.equal(metadata.name, 'mcplb');
  });
});

