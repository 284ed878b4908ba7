// Draws docs/dashboard.png: the dashboard over a balancer with traffic and a backend that just died.
//   node dist/test/support/dashboard-shot.js docs/dashboard.png

import { chromium } from 'playwright-core'
import { startBackend } from './backend.ts'
import { startEvenkeel } from './evenkeel.ts'
import { pause } from './wait.ts'

const [path = 'docs/dashboard.png'] = process.argv.slice(2)
const backends = await Promise.all(
  ['a', 'b', 'c', 'one', 'two'].map((name) => startBackend({ name, checks: null })),
)
const [a, b, c, one, two] = backends.map(({ address }) => address)
const healthCheck = { http: { path: '/health' }, interval: '500ms' }
const evenkeel = await startEvenkeel({
  runtime: { threads: 1 },
  listeners: { web: { pool: 'web' }, orders: { pool: 'orders' } },
  pools: {
    web: { backends: { a, b, c }, healthCheck },
    orders: { mode: 'active-standby', backends: { one, two }, healthCheck },
  },
})
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
const viewport = { width: 1280, height: 760 }
const page = await (await browser.newContext({ viewport })).newPage()
await page.goto(evenkeel.adminUrl)

/** A hundred requests a second, more or less. */
async function ask(seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 20; i++) {
    const five = Array.from({ length: 5 }, async () => (await fetch(evenkeel.url('web'))).text())
    await Promise.allSettled([...five, pause(50)])
  }
}

await ask(20)
await backends[1]!.behave({ kind: 'refuse' })
await ask(6)
await page.screenshot({ path })
await browser.close()
await evenkeel.stop()
await Promise.all(backends.map((backend) => backend.stop()))
