// Single values that are refused.

import { backends, bad, pool, route, top, web } from './cases.ts'

bad(
  'a duration without a unit',
  pool('timeouts: { connect: 5 }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: "5" has no unit
    6 |     timeouts: { connect: 5 }
      |                          ^
  hint: write 5ms, 5s or 5m; the units are ms, s, m, h and d
`,
)

bad(
  'a duration with an unknown unit',
  pool('timeouts: { connect: 5 sec }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: "5 sec" has the unknown unit "sec"
    6 |     timeouts: { connect: 5 sec }
      |                          ^^^^^
  hint: write 5s
`,
)

bad(
  'a duration that is negative',
  pool('timeouts: { connect: -5s }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: "-5s" is negative
    6 |     timeouts: { connect: -5s }
      |                          ^^^
  hint: write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s
`,
)

bad(
  'a duration that is none',
  pool('timeouts: { connect: soon }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: "soon" is not a duration
    6 |     timeouts: { connect: soon }
      |                          ^^^^
  hint: write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s
`,
)

bad(
  'a duration of nothing',
  pool('timeouts: { connect: 0 }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: 0 is too small
    6 |     timeouts: { connect: 0 }
      |                          ^
  hint: use 1ms to 1h
`,
)

bad(
  'a duration beyond its range',
  pool('timeouts: { connect: 2h }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: 2h is too large
    6 |     timeouts: { connect: 2h }
      |                          ^^
  hint: use 1ms to 1h
`,
)

bad(
  'a duration beyond all ranges',
  pool('timeouts: { tunnelIdle: 60d }'),
  `
bad.yaml:6:29: error: pools.app.timeouts.tunnelIdle: "60d" is longer than 24 days
    6 |     timeouts: { tunnelIdle: 60d }
      |                             ^^^
`,
)

bad(
  'a duration finer than a millisecond',
  pool('timeouts: { connect: 0.5ms }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: "0.5ms" is finer than a millisecond
    6 |     timeouts: { connect: 0.5ms }
      |                          ^^^^^
  hint: write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s
`,
)

bad(
  'a size without a unit',
  pool('retry: { bodyMax: 65536 }'),
  `
bad.yaml:6:23: error: pools.app.retry.bodyMax: "65536" has no unit
    6 |     retry: { bodyMax: 65536 }
      |                       ^^^^^
  hint: write a number with B, KiB, MiB or GiB, such as 64KiB
`,
)

bad(
  'a size in other units',
  pool('retry: { bodyMax: 64k }'),
  `
bad.yaml:6:23: error: pools.app.retry.bodyMax: "64k" has the unknown unit "k"
    6 |     retry: { bodyMax: 64k }
      |                       ^^^
  hint: write 64KiB; units here are powers of 1024
`,
)

bad(
  'a size that is none',
  pool('retry: { bodyMax: much }'),
  `
bad.yaml:6:23: error: pools.app.retry.bodyMax: "much" is not a size
    6 |     retry: { bodyMax: much }
      |                       ^^^^
  hint: write a number with B, KiB, MiB or GiB, such as 64KiB
`,
)

bad(
  'a size too large',
  pool('retry: { bodyMax: 1GiB }'),
  `
bad.yaml:6:23: error: pools.app.retry.bodyMax: 1GiB is too large
    6 |     retry: { bodyMax: 1GiB }
      |                       ^^^^
  hint: use 0B to 16MiB
`,
)

bad(
  'a percentage without its sign',
  pool('retry: { budget: 20 }'),
  `
bad.yaml:6:22: error: pools.app.retry.budget: "20" is more than 1
    6 |     retry: { budget: 20 }
      |                      ^^
  hint: write 20%
`,
)

bad(
  'a percentage beyond 100',
  pool('retry: { budget: 120% }'),
  `
bad.yaml:6:22: error: pools.app.retry.budget: "120%" is more than 100%
    6 |     retry: { budget: 120% }
      |                      ^^^^
`,
)

bad(
  'a share that is none',
  pool('retry: { budget: half }'),
  `
bad.yaml:6:22: error: pools.app.retry.budget: "half" is not a share
    6 |     retry: { budget: half }
      |                      ^^^^
  hint: write a percentage such as 50%, or 0.5
`,
)

bad(
  'an availability out of range',
  pool('objective: { availability: 100% }'),
  `
bad.yaml:6:32: error: pools.app.objective.availability: 100% is too large
    6 |     objective: { availability: 100% }
      |                                ^^^^
  hint: use 50% to 99.9999999%
`,
)

bad(
  'an availability far too low',
  pool('objective: { availability: 0.1% }'),
  `
bad.yaml:6:32: error: pools.app.objective.availability: 0.1% is too small
    6 |     objective: { availability: 0.1% }
      |                                ^^^^
  hint: use 50% to 99.9999999%
`,
)

bad(
  'a number that is none',
  pool('healthCheck: { tcp: {}, rise: twice }'),
  `
bad.yaml:6:35: error: pools.app.healthCheck.rise: "twice" is not a whole number
    6 |     healthCheck: { tcp: {}, rise: twice }
      |                                   ^^^^^
  hint: write a whole number from 1 to 100
`,
)

bad(
  'a number with a fraction',
  pool('healthCheck: { tcp: {}, rise: 1.5 }'),
  `
bad.yaml:6:35: error: pools.app.healthCheck.rise: "1.5" is not a whole number
    6 |     healthCheck: { tcp: {}, rise: 1.5 }
      |                                   ^^^
  hint: write a whole number from 1 to 100
`,
)

bad(
  'a number out of range',
  pool('healthCheck: { tcp: {}, rise: 0 }'),
  `
bad.yaml:6:35: error: pools.app.healthCheck.rise: 0 is out of range
    6 |     healthCheck: { tcp: {}, rise: 0 }
      |                                   ^
  hint: write a whole number from 1 to 100
`,
)

bad(
  'a number of threads that is none',
  top('runtime: { threads: many }'),
  `
bad.yaml:1:21: error: runtime.threads: "many" is not a whole number
    1 | runtime: { threads: many }
      |                     ^^^^
  hint: write auto, or a number from 1 to 256
`,
)

bad(
  'an address without a port',
  backends('[10.0.0.1, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "10.0.0.1" has no port
    5 |     backends: [10.0.0.1, 10.0.0.2:80]
      |                ^^^^^^^^
  hint: write 10.0.0.1:8080
`,
)

bad(
  'an address that is a URL',
  backends('[http://10.0.0.1:80/, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "http://10.0.0.1:80/" is a URL, not an address
    5 |     backends: [http://10.0.0.1:80/, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^^^^^^^
  hint: write 10.0.0.1:80
`,
)

bad(
  'an address with a port out of range',
  backends('[10.0.0.1:80, 10.0.0.2:70000]'),
  `
bad.yaml:5:29: error: pools.app.backends[1]: port 70000 is out of range
    5 |     backends: [10.0.0.1:80, 10.0.0.2:70000]
      |                             ^^^^^^^^^^^^^^
  hint: ports go from 1 to 65535
`,
)

bad(
  'an address with a bad port',
  backends('[10.0.0.1:http, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "http" is not a port
    5 |     backends: [10.0.0.1:http, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^
  hint: a port is a number from 1 to 65535
`,
)

bad(
  'an address with a bad IPv4',
  backends('[10.0.0.256:80, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "10.0.0.256" is not an IPv4 address
    5 |     backends: [10.0.0.256:80, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^
  hint: four numbers from 0 to 255 with dots
`,
)

bad(
  'an address with IPv6 but no brackets',
  backends('["fd00::1:80", 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "fd00::1:80" has no brackets around its IPv6 address
    5 |     backends: ["fd00::1:80", 10.0.0.2:80]
      |                ^^^^^^^^^^^^
  hint: write "[fd00::1]:80"
`,
)

bad(
  'an address with bad IPv6',
  backends('["[fd00::g]:80", 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "fd00::g" is not an IPv6 address
    5 |     backends: ["[fd00::g]:80", 10.0.0.2:80]
      |                ^^^^^^^^^^^^^^
  hint: write host:port, [ipv6]:port or unix:/path
`,
)

bad(
  'an address that is a path',
  backends('[/run/app.sock, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "/run/app.sock" is a path
    5 |     backends: [/run/app.sock, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^
  hint: for a unix socket write unix:/run/app.sock
`,
)

bad(
  'a unix address that is relative',
  backends('[unix:app.sock, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "unix:app.sock" is not an absolute path
    5 |     backends: [unix:app.sock, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^
  hint: write unix:/run/name.sock
`,
)

bad(
  'a backend without a host',
  backends('[":80", 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: ":80" has no host
    5 |     backends: [":80", 10.0.0.2:80]
      |                ^^^^^
  hint: write 127.0.0.1:80 for this machine
`,
)

bad(
  'a backend with port 0',
  backends('[10.0.0.1:0, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: port 0 is out of range
    5 |     backends: [10.0.0.1:0, 10.0.0.2:80]
      |                ^^^^^^^^^^
  hint: ports go from 1 to 65535
`,
)

bad(
  'a backend with a bad name of a host',
  backends('["10.0.0.1 :80", 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "10.0.0.1 " is not a host name
    5 |     backends: ["10.0.0.1 :80", 10.0.0.2:80]
      |                ^^^^^^^^^^^^^^
  hint: write host:port, [ipv6]:port or unix:/path
`,
)

bad(
  'a bind of a port alone',
  'listeners:\n  web: { bind: 8080, pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:16: error: listeners.web.bind: "8080" is a port without an address
    2 |   web: { bind: 8080, pool: app }
      |                ^^^^
  hint: write 127.0.0.1:8080 for this machine only, or :8080 for all addresses
`,
)

bad(
  'a block with a bad length',
  web('pool: app, trustForwarded: [10.0.0.0/33]'),
  `
bad.yaml:2:53: error: listeners.web.trustForwarded[0]: "10.0.0.0/33" has a bad prefix length
    2 |   web: { bind: ":8080", pool: app, trustForwarded: [10.0.0.0/33] }
      |                                                     ^^^^^^^^^^^
  hint: it goes from 0 to 32
`,
)

bad(
  'a block that is none',
  web('pool: app, trustForwarded: private'),
  `
bad.yaml:2:52: error: listeners.web.trustForwarded: "private" is not an address block
    2 |   web: { bind: ":8080", pool: app, trustForwarded: private }
      |                                                    ^^^^^^^
  hint: write an address block such as 10.0.0.0/8, or one address
`,
)

bad(
  'a host with a port',
  route('{ match: { host: "example.com:8080" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "example.com:8080" has a port, but hosts are matched without
    5 |       - { match: { host: "example.com:8080" }, pool: app }
      |                          ^^^^^^^^^^^^^^^^^^
  hint: write example.com
`,
)

bad(
  'a host that is every host',
  route('{ match: { host: "*" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "*" is every host
    5 |       - { match: { host: "*" }, pool: app }
      |                          ^^^
  hint: leave out host to match every host
`,
)

bad(
  'a host with its wildcard in the wrong place',
  route('{ match: { host: "api.*" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "api.*" has its wildcard in the wrong place
    5 |       - { match: { host: "api.*" }, pool: app }
      |                          ^^^^^^^
  hint: only "*.example.com" works
`,
)

bad(
  'a host that is a URL',
  route('{ match: { host: "https://example.com" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "https://example.com" is a URL
    5 |       - { match: { host: "https://example.com" }, pool: app }
      |                          ^^^^^^^^^^^^^^^^^^^^^
  hint: write example.com
`,
)

bad(
  'a host in letters that are not sent',
  route('{ match: { host: bücher.example }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "bücher.example" is not how it is sent
    5 |       - { match: { host: bücher.example }, pool: app }
      |                          ^^^^^^^^^^^^^^
  hint: write xn--bcher-kva.example, as browsers send it
`,
)

bad(
  'a path without its slash',
  route('{ match: { path: v1/ }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "v1/" does not begin with /
    5 |       - { match: { path: v1/ }, pool: app }
      |                          ^^^
  hint: write /v1/
`,
)

bad(
  'a path with a wildcard',
  route('{ match: { path: /v1/* }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "/v1/*" holds a wildcard
    5 |       - { match: { path: /v1/* }, pool: app }
      |                          ^^^^^
  hint: path is a prefix already: write /v1/
`,
)

bad(
  'a path with a regular expression',
  route('{ match: { path: "^/v1/.*$" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "^/v1/.*$" is a regular expression
    5 |       - { match: { path: "^/v1/.*$" }, pool: app }
      |                          ^^^^^^^^^^
  hint: path takes a prefix such as /v1/
`,
)

bad(
  'a path with a query',
  route('{ match: { path: /v1?a=b }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "/v1?a=b" holds a query or fragment
    5 |       - { match: { path: /v1?*** }, pool: app }
      |                          ^^^^^^^
  hint: routes match the path alone
`,
)

bad(
  'a path with letters that are not sent',
  route('{ match: { path: /käse }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "/käse" holds characters that a path cannot carry
    5 |       - { match: { path: /käse }, pool: app }
      |                          ^^^^^
  hint: percent-encode them, as clients do
`,
)

bad(
  'a misspelled method',
  route('{ match: { method: GTE }, pool: app }'),
  `
bad.yaml:5:28: error: listeners.web.routes[0].match.method: "GTE" is not a method
    5 |       - { match: { method: GTE }, pool: app }
      |                            ^^^
  hint: did you mean GET?
`,
)

bad(
  'a method that is never forwarded',
  route('{ match: { method: [GET, TRACE] }, pool: app }'),
  `
bad.yaml:5:34: error: listeners.web.routes[0].match.method[1]: TRACE is always refused, so a route for it is of no use
    5 |       - { match: { method: [GET, TRACE] }, pool: app }
      |                                  ^^^^^
`,
)

bad(
  'a header name with a space',
  route('{ match: { header: { "x id": a } }, pool: app }'),
  `
bad.yaml:5:30: error: listeners.web.routes[0].match.header["x id"]: "x id" is not a header name
    5 |       - { match: { header: { "x id": * } }, pool: app }
      |                              ^^^^^^
  hint: letters, digits and - such as x-request-id
`,
)

bad(
  'a header name with a colon',
  route('{ pool: app, requestHeaders: { set: { "x-id:": a } } }'),
  `
bad.yaml:5:47: error: listeners.web.routes[0].requestHeaders.set["x-id:"]: "x-id:" is not a header name
    5 |       - { pool: app, requestHeaders: { set: { "x-id:": a } } }
      |                                               ^^^^^^^
  hint: leave out the colon at its end
`,
)

bad(
  'a header value on two lines',
  route('{ pool: app, requestHeaders: { set: { x-id: "a\\nb: c" } } }'),
  `
bad.yaml:5:53: error: listeners.web.routes[0].requestHeaders.set.x-id: a header value must be on one line
    5 |       - { pool: app, requestHeaders: { set: { x-id: "a\\nb: c" } } }
      |                                                     ^^^^^^^^^
`,
)

bad(
  'a header value that is not latin1',
  route('{ pool: app, requestHeaders: { set: { x-id: "値" } } }'),
  `
bad.yaml:5:53: error: listeners.web.routes[0].requestHeaders.set.x-id: "値" holds letters that a header cannot carry
    5 |       - { pool: app, requestHeaders: { set: { x-id: "値" } } }
      |                                                     ^^^^
  hint: use ASCII, or percent-encode them
`,
)

bad(
  'a header that frames the message',
  route('{ pool: app, requestHeaders: { set: { Content-Length: 5 } } }'),
  `
bad.yaml:5:47: error: listeners.web.routes[0].requestHeaders.set.Content-Length: content-length concerns one connection only, so Evenkeel writes it anew on each side
    5 |       - { pool: app, requestHeaders: { set: { Content-Length: 5 } } }
      |                                               ^^^^^^^^^^^^^^
  hint: remove this line; framing and hop-by-hop headers cannot be changed
`,
)

bad(
  'a header that belongs to the hop',
  route('{ pool: app, responseHeaders: { remove: [connection] } }'),
  `
bad.yaml:5:50: error: listeners.web.routes[0].responseHeaders.remove[0]: connection concerns one connection only, so Evenkeel writes it anew on each side
    5 |       - { pool: app, responseHeaders: { remove: [connection] } }
      |                                                  ^^^^^^^^^^
  hint: remove this line; framing and hop-by-hop headers cannot be changed
`,
)

bad(
  'a header of our own',
  route('{ pool: app, requestHeaders: { set: { Evenkeel-Epoch: 5 } } }'),
  `
bad.yaml:5:47: error: listeners.web.routes[0].requestHeaders.set.Evenkeel-Epoch: headers that begin with evenkeel- are set by Evenkeel alone
    5 |       - { pool: app, requestHeaders: { set: { Evenkeel-Epoch: 5 } } }
      |                                               ^^^^^^^^^^^^^^
`,
)

bad(
  'a request without Host',
  route('{ pool: app, requestHeaders: { remove: host } }'),
  `
bad.yaml:5:48: error: listeners.web.routes[0].requestHeaders.remove: a request cannot be without Host
    5 |       - { pool: app, requestHeaders: { remove: host } }
      |                                                ^^^^
  hint: set it to another value instead
`,
)

bad(
  'a header set twice',
  route('{ pool: app, requestHeaders: { set: { X-Id: a, x-id: b } } }'),
  `
bad.yaml:5:56: error: listeners.web.routes[0].requestHeaders.set.x-id: is the same header as another one here (line 5)
    5 |       - { pool: app, requestHeaders: { set: { X-Id: a, x-id: b } } }
      |                                                        ^^^^
  hint: remove one of the two
`,
)

bad(
  'a redirect status that is none',
  route('{ redirect: { status: 200, location: / } }'),
  `
bad.yaml:5:31: error: listeners.web.routes[0].redirect.status: "200" is not a redirect
    5 |       - { redirect: { status: 200, location: / } }
      |                               ^^^
  hint: write 301, 302, 303, 307 or 308
`,
)

bad(
  'a redirect to nowhere',
  route('{ redirect: example.com }'),
  `
bad.yaml:5:21: error: listeners.web.routes[0].redirect: "example.com" is no place to redirect to
    5 |       - { redirect: example.com }
      |                     ^^^^^^^^^^^
  hint: write a URL such as https://example.com/* or a path such as /new
`,
)

bad(
  'a redirect with a star before its end',
  route('{ redirect: "https://*.example.com/" }'),
  `
bad.yaml:5:21: error: listeners.web.routes[0].redirect: "https://*.example.com/" is no place to redirect to
    5 |       - { redirect: "https://*.example.com/" }
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^
  hint: write a URL such as https://example.com/* or a path such as /new
`,
)

bad(
  'a path with dots for a segment',
  route('{ match: { path: /a/../b }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "/a/../b" has . or .. for a segment
    5 |       - { match: { path: /a/../b }, pool: app }
      |                          ^^^^^^^
  hint: write /b
`,
)

bad(
  'a path that is read in two ways',
  route('{ match: { path: /a/..%2fb }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.path: "/a/..%2fb" means different paths to different servers
    5 |       - { match: { path: /a/..%2fb }, pool: app }
      |                          ^^^^^^^^^
  hint: write it plainly
`,
)

bad(
  'a reply status out of range',
  route('{ respond: 99 }'),
  `
bad.yaml:5:20: error: listeners.web.routes[0].respond: 99 is out of range
    5 |       - { respond: 99 }
      |                    ^^
  hint: write a whole number from 200 to 599
`,
)

bad(
  'a body where none may be',
  route('{ respond: { status: 204, body: x } }'),
  `
bad.yaml:5:41: error: listeners.web.routes[0].respond.body: a 204 has no body
    5 |       - { respond: { status: 204, body: x } }
      |                                         ^
  hint: remove body, or use another status
`,
)

bad(
  'a check status by family',
  pool('healthCheck: { http: { path: /, status: 2xx } }'),
  `
bad.yaml:6:45: error: pools.app.healthCheck.http.status: "2xx" is not a status
    6 |     healthCheck: { http: { path: /, status: 2xx } }
      |                                             ^^^
  hint: write 200-299
`,
)

bad(
  'a check status backward',
  pool('healthCheck: { http: { path: /, status: 299-200 } }'),
  `
bad.yaml:6:45: error: pools.app.healthCheck.http.status: "299-200" runs backward
    6 |     healthCheck: { http: { path: /, status: 299-200 } }
      |                                             ^^^^^^^
  hint: write 200-299
`,
)

bad(
  'a check path without its slash',
  pool('healthCheck: { http: health }'),
  `
bad.yaml:6:26: error: pools.app.healthCheck.http: "health" does not begin with /
    6 |     healthCheck: { http: health }
      |                          ^^^^^^
  hint: write /health
`,
)

bad(
  'a check that sets Host among the headers',
  pool('healthCheck: { http: { headers: { Host: a } } }'),
  `
bad.yaml:6:39: error: pools.app.healthCheck.http.headers.Host: Host has a key of its own
    6 |     healthCheck: { http: { headers: { Host: * } } }
      |                                       ^^^^
  hint: write http: { host: ... } instead
`,
)

bad(
  'a bind that has one colon too many',
  web('pool: app').replace(':8080', '::8080'),
  `
bad.yaml:2:16: error: listeners.web.bind: "::8080" has no brackets around its IPv6 address
    2 |   web: { bind: "::8080", pool: app }
      |                ^^^^^^^^
  hint: write "[::]:8080"
`,
)

bad(
  'a header value with a control character',
  route('{ pool: app, requestHeaders: { set: { x-id: "a\\u0007b" } } }'),
  `
bad.yaml:5:53: error: listeners.web.routes[0].requestHeaders.set.x-id: a header value must not hold control characters
    5 |       - { pool: app, requestHeaders: { set: { x-id: "a\\u0007b" } } }
      |                                                     ^^^^^^^^^^
`,
)

bad(
  'a header value that ends with a space',
  route('{ pool: app, requestHeaders: { set: { x-id: "a " } } }'),
  `
bad.yaml:5:53: error: listeners.web.routes[0].requestHeaders.set.x-id: "a " begins or ends with a space
    5 |       - { pool: app, requestHeaders: { set: { x-id: "a " } } }
      |                                                     ^^^^
`,
)

bad(
  'a check path with a space',
  pool('healthCheck: { http: "/a b" }'),
  `
bad.yaml:6:26: error: pools.app.healthCheck.http: "/a b" holds characters that a request target cannot carry
    6 |     healthCheck: { http: "/a b" }
      |                          ^^^^^^
`,
)

bad(
  'a host that is none',
  route('{ match: { host: "a!b" }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: "a!b" is not a host
    5 |       - { match: { host: "a!b" }, pool: app }
      |                          ^^^^^
  hint: write a host such as api.example.com or "*.example.com"
`,
)

bad(
  'a redirect with a space',
  route('{ redirect: "/a b" }'),
  `
bad.yaml:5:21: error: listeners.web.routes[0].redirect: "/a b" holds characters that a URL cannot carry
    5 |       - { redirect: "/a b" }
      |                     ^^^^^^
  hint: percent-encode them
`,
)

bad(
  'a check status that does not exist',
  pool('healthCheck: { http: { status: 999 } }'),
  `
bad.yaml:6:36: error: pools.app.healthCheck.http.status: "999" is not within 100-599
    6 |     healthCheck: { http: { status: 999 } }
      |                                    ^^^
  hint: write a status such as 200, or a range such as 200-299
`,
)

bad(
  'a check status that is a word',
  pool('healthCheck: { http: { status: [200, ok] } }'),
  `
bad.yaml:6:42: error: pools.app.healthCheck.http.status[1]: "ok" is not a status
    6 |     healthCheck: { http: { status: [200, ok] } }
      |                                          ^^
  hint: write a status such as 200, or a range such as 200-299
`,
)

bad(
  'an address with two ports',
  backends('[10.0.0.1:80:81, 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "10.0.0.1:80:81" is not an address
    5 |     backends: [10.0.0.1:80:81, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^^
  hint: write host:port, [ipv6]:port or unix:/path
`,
)

bad(
  'an IPv6 address without a port',
  backends('["[fd00::1]", 10.0.0.2:80]'),
  `
bad.yaml:5:16: error: pools.app.backends[0]: "[fd00::1]" has no port
    5 |     backends: ["[fd00::1]", 10.0.0.2:80]
      |                ^^^^^^^^^^^
  hint: write host:port, [ipv6]:port or unix:/path
`,
)

bad(
  'a secret that does not fit',
  pool('timeouts: { connect: "${file:secret}" }'),
  `
bad.yaml:6:26: error: pools.app.timeouts.connect: the secret does not fit here
    6 |     timeouts: { connect: "\${file:secret}" }
      |                          ^^^^^^^^^^^^^^^^
`,
)

bad(
  'a slow start that is no duration',
  pool('slowStart: fast'),
  `
bad.yaml:6:16: error: pools.app.slowStart: "fast" is not a duration
    6 |     slowStart: fast
      |                ^^^^
  hint: write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s
`,
)

bad(
  'a bad address of several in one text',
  backends('10.0.0.1:80, 10.0.0.2'),
  `
bad.yaml:5:15: error: pools.app.backends: "10.0.0.2" has no port
    5 |     backends: 10.0.0.1:80, 10.0.0.2
      |               ^^^^^^^^^^^^^^^^^^^^^
  hint: write 10.0.0.2:8080
`,
)

bad(
  'a weight that is negative',
  backends('{ a: { address: 10.0.0.1:80, weight: -1 }, b: 10.0.0.2:80 }'),
  `
bad.yaml:5:52: error: pools.app.backends.a.weight: -1 is out of range
    5 |     backends: { a: { address: 10.0.0.1:80, weight: -1 }, b: 10.0.0.2:80 }
      |                                                    ^^
  hint: write a whole number from 0 to 65535
`,
)

bad(
  'a duration with its units in the wrong order',
  pool('timeouts: { tunnelIdle: 30m1h }'),
  `
bad.yaml:6:29: error: pools.app.timeouts.tunnelIdle: "30m1h" is not in the order of its units
    6 |     timeouts: { tunnelIdle: 30m1h }
      |                             ^^^^^
  hint: write 1h30m, not 30m1h
`,
)

bad(
  'a misspelled method in a list',
  route('{ match: { method: [GET, pst] }, pool: app }'),
  `
bad.yaml:5:34: error: listeners.web.routes[0].match.method[1]: "pst" is not a method
    5 |       - { match: { method: [GET, pst] }, pool: app }
      |                                  ^^^
  hint: did you mean POST?
`,
)

bad(
  'a virtual IP address with a prefix length',
  top('keepalived: { vip: 10.0.0.100/24 }'),
  `
bad.yaml:1:20: error: keepalived.vip: "10.0.0.100/24" has a prefix length
    1 | keepalived: { vip: 10.0.0.100/24 }
      |                    ^^^^^^^^^^^^^
  hint: write 10.0.0.100
`,
)

bad(
  'a virtual IP address that is a name, and a track file relative to who knows where',
  top('keepalived: { vip: vip.example, trackFile: track }'),
  `
bad.yaml:1:20: error: keepalived.vip: "vip.example" is not an IP address
    1 | keepalived: { vip: vip.example, trackFile: track }
      |                    ^^^^^^^^^^^
bad.yaml:1:44: error: keepalived.trackFile: "track" is not an absolute path
    1 | keepalived: { vip: vip.example, trackFile: track }
      |                                            ^^^^^
`,
)
