import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesSourcePlan } from '../../../src/core/source-plan.ts'
import type { JsonApi, StreamOptions } from '../../../src/discover/json-api.ts'
import { ApiError, StreamError } from '../../../src/discover/json-api.ts'
import { kubernetesSource } from '../../../src/discover/kubernetes.ts'
import { listeningHost, ManualTime } from '../../support/discovery.ts'
import { describe } from '../../support/kubernetes.ts'

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

/** An API that lists one pod, and whose watches go as the test says. */
class Cluster {
  readonly time = new ManualTime()
  lists = 0
  readonly watched: { readonly path: string; readonly idleMs: number }[] = []
  watch: (options: StreamOptions) => Promise<void> = () => new Promise(() => {})
  readonly words
  readonly source

  constructor() {
    const { host, words } = listeningHost(this.time)
    this.words = words
    const items = [describe({ name: 's1', endpoints: [{ address: '10.1.0.1', pod: 'p1' }] })]
    const body = { items, metadata: { resourceVersion: '7' } }
    const api: JsonApi = {
      get: () => {
        this.lists++
        return Promise.resolve({ status: 200, headers: {}, body })
      },
      stream: (path, options) => {
        this.watched.push({ path, idleMs: options.idleMs })
        return this.watch(options)
      },
      close: () => {},
    }
    const access = { server: PLAN.server!, ca: null, namespace: 'shop', token: async () => 'x' }
    this.source = kubernetesSource(PLAN, host, {
      access: () => Promise.resolve(access),
      open: () => Promise.resolve(api),
    })
    this.source.start()
  }

  /** What was said since the last time, in short. */
  news(): readonly string[] {
    return this.words.splice(0).map((word) => {
      if (word.kind === 'failure') return `failure: ${word.reason}`
      return word.unsteady === undefined ? 'answer' : `answer, but ${word.unsteady}`
    })
  }
}

test('a watch ends within minutes by itself, and is given up if it does not', async () => {
  const cluster = new Cluster()
  await cluster.time.pass(1_000)
  const [{ path, idleMs }] = cluster.watched as [(typeof cluster.watched)[0]]
  const seconds = Number(new URL(path, PLAN.server!).searchParams.get('timeoutSeconds'))
  assert.ok(seconds >= 120 && seconds < 180, `${seconds} s`)
  assert.equal(idleMs, (seconds + 30) * 1_000)
  cluster.source.stop()
})

test('a watch that breaks off soon after each start is told of, and its list read less and less often', async () => {
  const cluster = new Cluster()
  cluster.watch = () => Promise.reject(new StreamError('connection closed'))
  await cluster.time.pass(6_000)
  const trouble = 'it breaks off again and again: connection closed'
  const [one, two, three, told, next] = cluster.news()
  assert.deepEqual([one, two, three], ['answer', 'answer', 'answer'])
  assert.equal(told, `failure: ${trouble}`)
  assert.equal(next, `answer, but ${trouble}`)
  await cluster.time.pass(60_000)
  const before = cluster.lists
  await cluster.time.pass(300_000)
  assert.ok(cluster.lists - before <= 20, `${cluster.lists - before} lists in 5 min`)
  cluster.watch = () => new Promise(() => {})
  await cluster.time.pass(30_000)
  cluster.news()
  await cluster.time.pass(11_000)
  assert.deepEqual(cluster.words, [], 'it was told before that it is well again')
  cluster.source.stop()
  assert.equal(cluster.time.waiting, 0)
})

test('a watch that holds again is told of after 10 s', async () => {
  const cluster = new Cluster()
  cluster.watch = () => Promise.reject(new StreamError('connection closed'))
  await cluster.time.pass(6_000)
  cluster.watch = () => new Promise(() => {})
  cluster.news()
  const lists = cluster.lists
  while (cluster.lists === lists) await cluster.time.pass(100)
  const trouble = 'it breaks off again and again: connection closed'
  assert.equal(cluster.news().at(-1), `answer, but ${trouble}`)
  await cluster.time.pass(9_500)
  assert.deepEqual(cluster.news(), [])
  await cluster.time.pass(500)
  assert.deepEqual(cluster.news(), ['answer'])
})

test('watches that break off far apart are not worth a word', async () => {
  const cluster = new Cluster()
  cluster.watch = async (options) => {
    await new Promise<void>((resolve) => cluster.time.set(20_000, resolve))
    options.opened()
    throw new StreamError('connection closed')
  }
  await cluster.time.pass(300_000)
  assert.deepEqual([...new Set(cluster.news())], ['answer'])
  assert.ok(cluster.lists >= 14, `${cluster.lists} lists in 5 min`)
})

test('a watch that is refused, though the list is not, is told of once for as long as that is so', async () => {
  const cluster = new Cluster()
  cluster.watch = () => Promise.reject(new ApiError('it answers 403: no', 403))
  await cluster.time.pass(120_000)
  const trouble = 'it answers 403: no (the service account needs list and watch on endpointslices)'
  const [first, ...others] = cluster.news()
  assert.equal(first, 'answer')
  assert.deepEqual([...new Set(others)], [`failure: ${trouble}`, `answer, but ${trouble}`])
  assert.ok(cluster.lists < 20, `${cluster.lists} lists in 2 min`)
})

test('watches that end at once, or do not know the version of the list, are told of', async () => {
  const ways: readonly (readonly [Cluster['watch'], string])[] = [
    [() => Promise.resolve(), 'its watch ends as soon as it has begun'],
    [
      () => Promise.reject(new ApiError('gone', 410)),
      'it does not know the version of its own list',
    ],
  ]
  for (const [watch, trouble] of ways) {
    const cluster = new Cluster()
    cluster.watch = watch
    await cluster.time.pass(60_000)
    const told = cluster.news().find((news) => news.startsWith('failure'))
    assert.equal(told, `failure: it breaks off again and again: ${trouble}`)
    cluster.source.stop()
  }
})

test('a bookmark says that what is known is as new as that', async () => {
  const cluster = new Cluster()
  let say: (line: unknown) => void = () => {}
  cluster.watch = (options) => {
    options.opened()
    say = (line) => options.line(line)
    return new Promise(() => {})
  }
  await cluster.time.pass(20_000)
  assert.deepEqual(cluster.news(), ['answer'])
  say({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })
  const [word] = cluster.words
  assert.deepEqual(word?.kind === 'answer' && word.found.map(({ name }) => name), ['p1'])
  cluster.source.stop()
})
