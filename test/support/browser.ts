// A real Chromium (Debian's), for the dashboard. What the page does against its own policy, and errors in
// its code, are gathered: a test that finds any has failed.

import { after } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

export interface Screen {
  readonly page: Page
  /** Violations of the policy, and errors that nobody caught. */
  readonly troubles: string[]
}

let browser: Promise<Browser> | null = null
after(async () => (await browser)?.close())

/** Opens a page in a context of its own; everything ends with the test file. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<Screen> {
  if (browser === null) {
    // Root has no sandbox of Chromium's; the pages are our own.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
    browser = chromium.launch({ executablePath: '/usr/bin/chromium', args })
  }
  const context = await (
    await browser
  ).newContext({ viewport: { width: 1200, height: 900 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const troubles: string[] = []
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('console', (message) => {
    const text = message.text()
    if (/Content Security Policy|TrustedHTML|TrustedScript/i.test(text)) troubles.push(text)
  })
  await page.goto(url)
  return { page, troubles }
}
