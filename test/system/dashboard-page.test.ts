// The page alone, in a real browser, over an admin API that a test makes up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverStatus } from '../../src/core/status.ts'
import { openPage } from '../support/browser.ts'
import type { FakeAdmin } from '../support/fake-admin.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { backendStatus, poolStatusOf } from '../support/statuses.ts'

const EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

const failover: FailoverStatus = {
  state: 'steady',
  reason: 'one is the active',
  sinceMs: 1_000,
  active: 'one',
  epoch: 7,
  preferred: 'one',
  frozen: null,
  standbys: [
    { name: 'two', ready: false, reason: 'a probe failed' },
    { name: 'three', ready: true, reason: 'it is fit' },
  ],
  move: null,
  lastMoves: [],
}

function database(more: Partial<FailoverStatus> = {}) {
  const names = ['one', 'two', 'three'].map((name) => backendStatus(name))
  return poolStatusOf('db', names, { mode: 'active-standby', failover: { ...failover, ...more } })
}

test('a switchover asks for a reason, tells what would happen, and only then moves', async () => {
  const admin = await startFakeAdmin()
  admin.pools = [database()]
  admin.answer = (_, { verb, ...rest }) => {
    if (verb !== 'switchover' || !('force' in rest))
      return { ok: true, message: verb, report: null }
    if (!rest.force)
      return { ok: false, code: 'refused', message: 'two is not ready: a probe failed.' }
    return { ok: true, message: rest.dryRun ? 'would move to two' : 'moved to two', report: null }
  }
  const { page, troubles } = await openPage(`http://${admin.host}/ui`)
  await page.getByText('one is active, 1 of 2 standbys ready').waitFor()
  await page.getByText('epoch 7, steady for').waitFor()
  await page.getByRole('button', { name: 'Switch over…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Switch over pool db' })
  await dialog.getByText('Another backend becomes the active. one serves now').waitFor()
  assert.equal(await dialog.getByRole('combobox').inputValue(), 'three')
  await dialog.getByRole('combobox').selectOption('two')
  await dialog.getByRole('button', { name: 'See what would happen' }).click()
  // Without a reason nothing is asked.
  assert.deepEqual(admin.asked, [])
  await dialog.getByLabel('Reason').fill('new kernel')
  await page.keyboard.press('Enter')
  await dialog.getByText('Refused: two is not ready: a probe failed.').waitFor()
  await dialog.getByLabel('Do it anyway (force)').check()
  await dialog.getByRole('button', { name: 'See what would happen' }).click()
  await dialog.getByText('Would happen: would move to two').waitFor()
  await dialog.getByRole('button', { name: 'Switch over to two' }).click()
  await page.getByRole('status').getByText('moved to two').waitFor()
  assert.equal(await dialog.count(), 0)
  const wishes = admin.asked.map(({ pool, request }) => Object.assign({ pool }, request))
  const by = 'admin API (127.0.0.1)'
  const wish = { pool: 'db', verb: 'switchover', to: 'two', reason: 'new kernel', by }
  assert.deepEqual(wishes, [
    { ...wish, force: false, dryRun: true },
    { ...wish, force: true, dryRun: true },
    { ...wish, force: true, dryRun: false },
  ])
  assert.deepEqual(troubles, [])
})

test('names, reasons and events of strangers are text and nothing else', async () => {
  const admin = await startFakeAdmin()
  const word = { by: EVIL, reason: EVIL, at: 0 }
  const override = { admin: { ...word, state: 'drain' as const }, weight: null, added: null }
  const hurt = backendStatus(EVIL, { reason: EVIL, lastProbe: EVIL, address: EVIL, override })
  admin.pools = [
    poolStatusOf(EVIL, [hurt], { removed: [{ name: EVIL, ...word }] }),
    database({ reason: EVIL }),
  ]
  admin.events.publish({ kind: 'warning', message: EVIL, fields: { [EVIL]: EVIL } })
  const { page, troubles } = await openPage(`http://${admin.host}/`)
  await page.getByRole('heading', { name: EVIL }).waitFor()
  await page
    .getByRole('list', { name: 'Events, the latest first' })
    .getByText(EVIL)
    .first()
    .waitFor()
  await page
    .getByRole('article')
    .first()
    .getByRole('button', { name: /^Change backend/ })
    .click()
  await page.getByRole('dialog').getByRole('heading').waitFor()
  assert.equal(await page.locator('img, main script').count(), 0)
  assert.equal(await page.title(), 'Evenkeel')
  // What the text could have tried is forbidden by the policy, too.
  const tried = await page.evaluate(`(() => {
    try { document.body.innerHTML = '<img src=x>' } catch (error) { return error.name }
  })()`)
  assert.equal(tried, 'TypeError')
  assert.equal(troubles.length, 1)
  assert.match(troubles[0]!, /TrustedHTML/)
})

test('the token is asked for, kept in the session alone, and a wrong one is told', async () => {
  const tokens = { admin: 'a-secret-of-twenty-letters', readOnly: 'b-secret-of-twenty-letters' }
  const admin = await startFakeAdmin('loopback', undefined, { tokens })
  admin.pools = [poolStatusOf('web', [backendStatus('a')])]
  const { page, troubles } = await openPage(`http://${admin.host}/`)
  const dialog = page.getByRole('dialog', { name: 'Token' })
  await dialog.getByText('Evenkeel asks for a token').waitFor()
  assert.equal(await page.getByRole('article').count(), 0)
  await dialog.getByLabel('Token', { exact: true }).fill('wrong')
  await page.keyboard.press('Enter')
  await dialog.getByText('Evenkeel does not know this token.').waitFor()
  await dialog.getByLabel('Token', { exact: true }).fill(tokens.readOnly)
  await page.keyboard.press('Enter')
  await page.getByText('1 of 1 available').waitFor()
  assert.equal(await page.evaluate('JSON.stringify({ ...localStorage })'), '{}')
  assert.equal(page.url(), `http://${admin.host}/`)
  assert.deepEqual(await page.context().cookies(), [])
  // It may look and change nothing.
  await page.getByRole('button', { name: 'Change backend a of pool web' }).click()
  const change = page.getByRole('dialog', { name: 'Change a of web' })
  await change.getByLabel('Reason').fill('why not')
  await page.keyboard.press('Enter')
  await change.getByText('This token may look, but change nothing.').waitFor()
  assert.deepEqual([admin.changes, troubles], [[], []])
})

test('a lost connection is told with the age of what is shown, and comes back by itself', async () => {
  const admin = await startFakeAdmin()
  admin.pools = [poolStatusOf('web', [backendStatus('a')])]
  const { page, troubles } = await openPage(`http://${admin.host}/`)
  await page.getByText('Live', { exact: true }).waitFor()
  await page.getByText('1 of 1 available').waitFor()
  await admin.close()
  await page.getByText('Connection to Evenkeel lost').waitFor()
  await page.getByText(/^What you see is \d+ s old/).waitFor()
  const again = await startFakeAdmin('loopback', admin.address)
  again.pools = [poolStatusOf('web', [backendStatus('a', { availability: 'down' })])]
  await page.getByText('Live', { exact: true }).waitFor()
  await page.getByText('0 of 1 available').waitFor()
  assert.deepEqual(troubles, [])
})

test('without a stream the page asks again and again, and says so', async () => {
  const admin = await startFakeAdmin()
  admin.pools = [poolStatusOf('web', [backendStatus('a')])]
  const { page } = await openPage('about:blank')
  await page.route('**/v1/events?**', (route) => route.fulfill({ status: 503, body: '' }))
  await page.goto(`http://${admin.host}/`)
  await page.getByText(/^Not live/).waitFor()
  await page.getByText('1 of 1 available').waitFor()
  admin.pools = []
  await page.getByText('There are no pools.').waitFor()
})

function many(): FakeAdmin['pools'] {
  const backends = Array.from({ length: 200 }, (_, i) => {
    return backendStatus(
      `server-${i}`,
      i === 150 ? { availability: 'down', reason: 'no route' } : {},
    )
  })
  return [poolStatusOf('big', backends), database()]
}

test('200 backends are a few rows: those in trouble, those that are looked for, or all', async () => {
  const admin = await startFakeAdmin()
  admin.pools = many()
  const { page } = await openPage(`http://${admin.host}/`)
  const rows = page.getByRole('table', { name: 'Backends of big' }).locator('tbody tr')
  await page.getByRole('button', { name: 'Show all 200 backends' }).waitFor()
  assert.equal(await rows.count(), 25)
  assert.equal(await rows.last().getAttribute('data-state'), 'down')
  await page.getByRole('button', { name: 'Show all 200 backends' }).click()
  assert.equal(await rows.count(), 200)
  await page.getByLabel('Find').fill('server-19')
  assert.equal(await rows.count(), 11)
  await page.getByLabel('Find').fill('')
  await page.getByLabel('Only troubled').check()
  assert.equal(await rows.count(), 1)
  assert.equal(await page.getByRole('article', { name: 'db' }).count(), 0)
})

/** Text elements whose contrast is below AA (WCAG 2.2, 1.4.3), as a script for the page. */
const FAINT = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const light = (color) => {
    const [r, g, b] = channels(color).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor
      if (channels(color)[3] !== 0) return color
    }
    return 'rgb(255, 255, 255)'
  }
  const texts = [...document.querySelectorAll('body *')].filter((one) =>
    one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
  return texts.flatMap((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    return ratio < 4.5 ? [one.className + ': ' + one.textContent + ' ' + ratio.toFixed(2)] : []
  })
})()`

/** Controls without a name for a screen reader. */
const NAMELESS = `[...document.querySelectorAll('button, input, select, summary, [role=img], dialog, table')]
  .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.getAttribute('aria-labelledby') || one.labels?.length || one.textContent.trim()))
  .map((one) => one.outerHTML)`

for (const colorScheme of ['light', 'dark'] as const) {
  test(`on a phone, ${colorScheme}: nothing to scroll sideways, enough contrast, a name for everything`, async () => {
    const admin = await startFakeAdmin()
    admin.pools = many()
    const long = 'x'.repeat(90)
    const stuck = backendStatus(long, { availability: 'ejected', reason: long, address: long })
    admin.pools = [...many(), poolStatusOf(long, [stuck])]
    admin.events.publish({ kind: 'warning', message: long, fields: {} })
    const { page, troubles } = await openPage(`http://${admin.host}/`, {
      colorScheme,
      viewport: { width: 360, height: 740 },
    })
    await page.getByRole('heading', { name: long }).waitFor()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
    assert.deepEqual(await page.evaluate(FAINT), [])
    await page.getByRole('button', { name: `Change backend ${long} of pool ${long}` }).click()
    await page.getByRole('dialog').waitFor()
    assert.deepEqual(await page.evaluate(FAINT), [])
    assert.deepEqual(await page.evaluate(NAMELESS), [])
    const wide = await page.evaluate('document.querySelector("dialog[open]").scrollWidth <= 360')
    assert.ok(wide)
    assert.deepEqual(troubles, [])
  })
}

test('a pool is well, though some of its backends stand by', async () => {
  const admin = await startFakeAdmin()
  const backends = [backendStatus('one'), backendStatus('two', { availability: 'standby' })]
  admin.pools = [poolStatusOf('db:replicas', backends, { available: 1 })]
  const { page } = await openPage(`http://${admin.host}/ui`)
  await page.getByText('● 1 of 2 available').waitFor()
  admin.pools = [
    poolStatusOf('db:replicas', [backends[0]!, { ...backends[1]!, availability: 'down' }]),
  ]
  await page.getByText('! 1 of 2 available').waitFor()
})

test('the age of an answer of a source grows, though nothing is told of it', async () => {
  const admin = await startFakeAdmin()
  const source = {
    kind: 'file',
    source: 'file /members.yaml',
    state: 'ok',
    reason: 'answers',
    sinceMs: 1_000,
    answeredMs: 1_000,
    members: 1,
    refused: 0,
    failures: 0,
    changes: 1,
  } as const
  admin.pools = [poolStatusOf('web', [backendStatus('a')], { discovery: [source] })]
  const { page, troubles } = await openPage(`http://${admin.host}/ui`)
  await page.getByText('file /members.yaml: ok, 1 members, last answer').waitFor()
  await page.getByText('last answer 4 s ago').waitFor()
  assert.deepEqual(troubles, [])
})
