// The cases of the bench: what is asked of the proxies and how.

/** How the proxies are run for a case. */
export interface Setup {
  readonly protocol: 'http' | 'tcp'
  readonly accessLog: boolean
  /** Every 2 s, for the proxies that have them. */
  readonly healthChecks: boolean
  readonly balance: 'round-robin' | 'least-connections'
}

export interface Case extends Setup {
  readonly name: string
  readonly title: string
  readonly kind: 'requests' | 'idle'
  /** Path asked for; it also says what the backend answers. */
  readonly path: string
  /** Connections of the load; for `idle`, the idle ones. */
  readonly connections: number
  readonly headers: readonly string[]
}

/** What most cases share. */
export const plain = {
  protocol: 'http',
  accessLog: false,
  healthChecks: true,
  balance: 'round-robin',
  kind: 'requests',
  path: '/small',
  connections: 64,
  headers: [],
} as const

// What Chromium sends along with a request for a page's API, Host apart.
const browserHeaders = [
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-User: ?1',
  'Sec-Fetch-Dest: document',
  'Referer: http://shop.example.com/catalogue/shoes?page=3&sort=price',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,ko;q=0.8',
  'Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=all; _ga=GA1.1.1234567890.1700000000',
]

export const cases: readonly Case[] = [
  { ...plain, name: 'small', title: 'Small reply, keep-alive' },
  {
    ...plain,
    name: 'browser',
    title: '15 browser headers, 1 KB reply, keep-alive',
    path: '/1k',
    headers: browserHeaders,
  },
  { ...plain, name: 'body-64k', title: '64 KiB reply', path: '/files/64k', connections: 32 },
  { ...plain, name: 'body-10m', title: '10 MiB reply', path: '/files/10m', connections: 8 },
  {
    ...plain,
    name: 'connect',
    title: 'New connection per request',
    headers: ['Connection: close'],
  },
  { ...plain, name: 'tcp-small', title: 'TCP, small round trips', protocol: 'tcp' },
  {
    ...plain,
    name: 'tcp-bulk',
    title: 'TCP, 10 MiB transfers',
    protocol: 'tcp',
    path: '/files/10m',
    connections: 8,
  },
  { ...plain, name: 'idle', title: '5,000 idle connections', kind: 'idle', connections: 5_000 },
  { ...plain, name: 'small-log', title: 'Small reply, access log on', accessLog: true },
  {
    ...plain,
    name: 'browser-log',
    title: '15 browser headers, 1 KB reply, access log on',
    path: '/1k',
    headers: browserHeaders,
    accessLog: true,
  },
  {
    ...plain,
    name: 'connect-log',
    title: 'New connection per request, access log on',
    headers: ['Connection: close'],
    accessLog: true,
  },
]
