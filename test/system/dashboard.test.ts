import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { openPage } from '../support/browser.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startEvenkeel } from '../support/evenkeel.ts'

const check = { http: { path: '/health' }, interval: '500ms', fastInterval: '100ms' }

async function startWeb(): Promise<{
  evenkeel: Evenkeel
  backends: Awaited<ReturnType<typeof startBackend>>[]
}> {
  const backends = await Promise.all(
    ['a', 'b', 'c'].map((name) => startBackend({ name, checks: null })),
  )
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: Object.fromEntries(backends.map(({ name, address }) => [name, address])),
        healthCheck: check,
        minAvailable: 2,
      },
    },
  })
  return { evenkeel, backends }
}

test('the page tells within 2 s that a backend died, and drains one by keyboard alone', async () => {
  const { evenkeel, backends } = await startWeb()
  const { page, troubles } = await openPage(`${evenkeel.adminUrl}/`)
  const row = (name: string) => page.getByRole('row', { name: new RegExp(`^${name} `) })
  await row('a').getByText('available', { exact: true }).waitFor()
  await page.getByText('3 of 3 available').waitFor()

  await row('a').getByRole('button').focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  assert.equal(await page.getByRole('dialog').count(), 0)
  const focused = await page.evaluate('document.activeElement.getAttribute("aria-label")')
  assert.equal(focused, 'Change backend a of pool web')
  await page.keyboard.press('Enter')
  // The first field is what to do; drain is chosen already.
  await page.keyboard.press('Tab')
  await page.keyboard.type('new <b>kernel</b>')
  await page.keyboard.press('Tab')
  await page.keyboard.type('kim')
  await page.keyboard.press('Enter')
  await row('a').getByText('drained', { exact: true }).waitFor()
  await row('a')
    .getByText(/^drain by kim .*: new <b>kernel<\/b>/)
    .first()
    .waitFor()
  await page.getByText('kim asked for drain of web/a: done').waitFor()

  // Another one would be too many: refused, with its reason, and forced by an explicit word.
  await row('b').getByRole('button').click()
  await page.getByRole('dialog').getByLabel('Reason').fill('too')
  await page.keyboard.press('Enter')
  await page
    .getByRole('alert')
    .getByText(/^Refused: /)
    .waitFor()
  const force = page.getByRole('dialog').getByLabel('Do it anyway (force)')
  await force.check()
  await page.getByRole('dialog').getByRole('button', { name: 'Drain b' }).click()
  await row('b').getByText('drained', { exact: true }).waitFor()
  await row('b').getByRole('button').click()
  await page.getByRole('dialog').getByLabel('Reason').fill('back')
  await page.keyboard.press('Enter')
  await row('b')
    .getByText(/^(starting|available)$/)
    .waitFor()

  await backends[1]!.behave({ kind: 'refuse' })
  const diedMs = performance.now()
  await row('b').getByText('down', { exact: true }).waitFor()
  const tookMs = performance.now() - diedMs
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  await page.getByText('web/b is down').first().waitFor()
  assert.deepEqual(troubles, [])
  await evenkeel.stop()
  await Promise.all(backends.map((backend) => backend.stop()))
})

test('an Evenkeel that stands still is told of, and so is a reload that waits or was refused', async () => {
  const { evenkeel, backends } = await startWeb()
  const { page, troubles } = await openPage(evenkeel.adminUrl)
  await page.getByText('Live', { exact: true }).waitFor()
  evenkeel.process.signal('SIGSTOP')
  await page.getByText('Connection to Evenkeel lost').waitFor()
  evenkeel.process.signal('SIGCONT')
  await page.getByText('Live', { exact: true }).waitFor()

  const text = readFileSync(evenkeel.file, 'utf8')
  const reload = async (confirmMs?: number): Promise<number> => {
    const body = JSON.stringify({ reason: 'test', by: 'kim', confirmMs })
    const headers = { 'content-type': 'application/json' }
    const path = `${evenkeel.adminUrl}/v1/config/reload`
    return (await fetch(path, { method: 'POST', headers, body })).status
  }
  writeFileSync(evenkeel.file, text.replace('minAvailable: 2', 'minAvailable: 1'))
  assert.equal(await reload(60_000), 200)
  await page.getByText(/, taken back in \d+ s unless confirmed/).waitFor()
  const confirm = `${evenkeel.adminUrl}/v1/config/confirm`
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ reason: 'fine', by: 'kim' })
  assert.equal((await fetch(confirm, { method: 'POST', headers, body })).status, 200)
  await page.getByText(/, taken back in \d+ s unless/).waitFor({ state: 'detached' })
  writeFileSync(evenkeel.file, 'pools: nonsense')
  assert.equal(await reload(), 422)
  await page.getByText(/the last reload was refused at /).waitFor()
  assert.deepEqual(troubles, [])
  await evenkeel.stop()
  await Promise.all(backends.map((backend) => backend.stop()))
})
