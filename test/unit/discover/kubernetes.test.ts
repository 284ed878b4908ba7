import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesSourcePlan } from '../../../src/core/plan.ts'
import type { JsonApi } from '../../../src/discover/json-api.ts'
import { kubernetesSource } from '../../../src/discover/kubernetes.ts'
import { listeningHost, ManualTime } from '../../support/discovery.ts'

const PLAN: KubernetesSourcePlan = {
  kind: 'kubernetes',
  service: 'api',
  namespace: 'shop',
  port: null,
  server: 'https://k8s',
  tokenFile: null,
  caFile: null,
}

test('a list that never gets to its end is a failure, and is not begun anew without a pause', async () => {
  const time = new ManualTime()
  const { host, words } = listeningHost(time)
  let asked = 0
  const api: JsonApi = {
    get: (path) => {
      asked++
      if (asked > 100) return new Promise(() => {})
      const first = { items: [], metadata: { resourceVersion: '1', continue: 'more' } }
      const answer = path.includes('continue=')
        ? { status: 410, body: null }
        : { status: 200, body: first }
      return Promise.resolve({ ...answer, headers: {} })
    },
    stream: () => new Promise(() => {}),
    close: () => {},
  }
  const access = { server: PLAN.server!, ca: null, namespace: 'shop', token: async () => 'x' }
  const source = kubernetesSource(PLAN, host, {
    access: () => Promise.resolve(access),
    open: () => Promise.resolve(api),
  })
  source.start()
  await time.pass(0)
  assert.ok(asked <= 10, `${asked} requests`)
  assert.match(
    words[0]!.kind === 'failure' ? words[0]!.reason : '',
    /^its list of endpoints changes/,
  )
  source.stop()
})
