// Clusters that could not agree.

import { bad, doubtful } from './cases.ts'
import { cluster, endpoints } from './standby-cases.ts'

bad(
  'a replica that is not among the replicas',
  cluster(`replica: d\n${endpoints}`),
  `
bad.yaml:4:12: error: cluster.replica: there is no replica "d"
    4 |   replica: d
      |            ^
  hint: replicas: a, b, c; with one file for all of them, write replica: \${HOSTNAME}
`,
)

bad(
  'a cluster that does not say which replica it is',
  cluster(endpoints),
  `
bad.yaml:2:1: error: cluster.replica: is missing
    2 | cluster:
      | ^^^^^^^
  hint: expected a name
`,
)

bad(
  'two replicas at one address',
  cluster(`replica: a\n${endpoints}`, '{ a: 10.0.0.1:9910, b: 10.0.0.1:9910 }'),
  `
bad.yaml:3:36: error: cluster.replicas.b: 10.0.0.1:9910 is another replica's address (line 3)
    3 |   replicas: { a: 10.0.0.1:9910, b: 10.0.0.1:9910 }
      |                                    ^^^^^^^^^^^^^
  hint: give each replica its own
`,
)

bad(
  'a replica that others cannot reach',
  cluster(`replica: a\n${endpoints}`, '{ a: 10.0.0.1:9910, b: unix:/run/b.sock }'),
  `
bad.yaml:3:36: error: cluster.replicas.b: the other replicas cannot reach a unix socket
    3 |   replicas: { a: 10.0.0.1:9910, b: unix:/run/b.sock }
      |                                    ^^^^^^^^^^^^^^^^
  hint: write host:port
`,
)

bad(
  'a replica at every address of its host',
  cluster(`replica: a\n${endpoints}`, '{ a: 0.0.0.0:9910, b: "[0::0]:9910" }'),
  `
bad.yaml:3:18: error: cluster.replicas.a: the other replicas cannot reach 0.0.0.0, which is every address of a host
    3 |   replicas: { a: 0.0.0.0:9910, b: "[0::0]:9910" }
      |                  ^^^^^^^^^^^^
  hint: write the one where they reach this replica
bad.yaml:3:35: error: cluster.replicas.b: the other replicas cannot reach 0::0, which is every address of a host
    3 |   replicas: { a: 0.0.0.0:9910, b: "[0::0]:9910" }
      |                                   ^^^^^^^^^^^^^
  hint: write the one where they reach this replica
`,
)

bad(
  'a peer port that a listener has',
  cluster(`replica: a\n${endpoints}`, '{ a: 10.0.0.1:8080 }'),
  `
bad.yaml:3:18: error: cluster.replicas.a: 10.0.0.1:8080 overlaps :8080 of listener web (line 6)
    3 |   replicas: { a: 10.0.0.1:8080 }
      |                  ^^^^^^^^^^^^^
  hint: give each listener a port or address of its own
`,
)

bad(
  'a cluster of nobody',
  cluster(`replica: a\n${endpoints}`, '{}'),
  `
bad.yaml:3:13: error: cluster.replicas: is empty
    3 |   replicas: {}
      |             ^^
  hint: add the replicas, such as a: 10.0.0.1:9910
`,
)

bad(
  'a lease in parts of a second',
  cluster(`replica: a\nttl: 2500ms\n${endpoints}`),
  `
bad.yaml:5:8: error: cluster.ttl: "2500ms" is not whole seconds
    5 |   ttl: 2500ms
      |        ^^^^^^
  hint: use whole seconds from 2s to 1m
`,
)

bad(
  'a lease that is too short',
  cluster(`replica: a\nttl: 1s\n${endpoints}`),
  `
bad.yaml:5:8: error: cluster.ttl: 1s is too small
    5 |   ttl: 1s
      |        ^^
  hint: use whole seconds from 2s to 1m
`,
)

bad(
  'a cluster with a space in its name',
  cluster(`replica: a\nname: my cluster\n${endpoints}`),
  `
bad.yaml:5:9: error: cluster.name: "my cluster" cannot be a name
    5 |   name: my cluster
      |         ^^^^^^^^^^
  hint: use letters, digits, dots, - and _; begin with a letter or digit; at most 64
`,
)

bad(
  'etcd without endpoints',
  cluster('replica: a\netcd: {}'),
  `
bad.yaml:5:3: error: cluster.etcd.endpoints: is missing
    5 |   etcd: {}
      |   ^^^^
  hint: expected a list of endpoints
`,
)

bad(
  'etcd with an empty list of endpoints',
  cluster('replica: a\netcd: { endpoints: [] }'),
  `
bad.yaml:5:22: error: cluster.etcd.endpoints: is empty
    5 |   etcd: { endpoints: [] }
      |                      ^^
  hint: add an endpoint, such as https://10.0.0.1:2379
`,
)

bad(
  'an endpoint without a scheme',
  cluster('replica: a\netcd: { endpoints: 10.0.0.9 }'),
  `
bad.yaml:5:22: error: cluster.etcd.endpoints: "10.0.0.9" does not say how to connect
    5 |   etcd: { endpoints: 10.0.0.9 }
      |                      ^^^^^^^^
  hint: write http://10.0.0.9:2379
`,
)

bad(
  'an endpoint without a port',
  cluster('replica: a\netcd: { endpoints: "https://10.0.0.9" }'),
  `
bad.yaml:5:22: error: cluster.etcd.endpoints: "https://10.0.0.9" has no port
    5 |   etcd: { endpoints: "https://10.0.0.9" }
      |                      ^^^^^^^^^^^^^^^^^^
  hint: write https://10.0.0.9:2379
`,
)

bad(
  'an endpoint with a path',
  cluster('replica: a\netcd: { endpoints: "https://10.0.0.9:2379/v3" }'),
  `
bad.yaml:5:22: error: cluster.etcd.endpoints: "https://10.0.0.9:2379/v3" has a path
    5 |   etcd: { endpoints: "https://10.0.0.9:2379/v3" }
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: write an endpoint such as https://10.0.0.1:2379
`,
)

bad(
  'an endpoint of another kind',
  cluster('replica: a\netcd: { endpoints: ["ftp://10.0.0.9:2379"] }'),
  `
bad.yaml:5:23: error: cluster.etcd.endpoints[0]: "ftp://10.0.0.9:2379" is not a URL
    5 |   etcd: { endpoints: ["ftp://10.0.0.9:2379"] }
      |                       ^^^^^^^^^^^^^^^^^^^^^
  hint: write an endpoint such as https://10.0.0.1:2379
`,
)

bad(
  'a user without a password',
  cluster('replica: a\netcd: { endpoints: ["https://10.0.0.9:2379"], user: me }'),
  `
bad.yaml:5:49: error: cluster.etcd.user: is given without password
    5 |   etcd: { endpoints: ["https://10.0.0.9:2379"], user: me }
      |                                                 ^^^^
  hint: add password, or remove it
`,
)

bad(
  'a certificate without its key',
  cluster('replica: a\netcd: { endpoints: ["https://10.0.0.9:2379"], cert: "${file:cert}" }'),
  `
bad.yaml:5:49: error: cluster.etcd.cert: is given without key
    5 |   etcd: { endpoints: ["https://10.0.0.9:2379"], cert: "\${file:cert}" }
      |                                                 ^^^^
  hint: add key, or remove it
`,
)

bad(
  'a certificate without https',
  cluster('replica: a\netcd: { endpoints: ["http://10.0.0.9:2379"], ca: "${file:cert}" }'),
  `
bad.yaml:5:48: error: cluster.etcd.ca: has no meaning for http://10.0.0.9:2379
    5 |   etcd: { endpoints: ["http://10.0.0.9:2379"], ca: "\${file:cert}" }
      |                                                ^^
  hint: write https in endpoints
`,
)

bad(
  'a path in place of a certificate',
  cluster('replica: a\netcd: { endpoints: ["https://10.0.0.9:2379"], ca: /etc/ca.pem }'),
  `
bad.yaml:5:53: error: cluster.etcd.ca: "/etc/ca.pem" is a path
    5 |   etcd: { endpoints: ["https://10.0.0.9:2379"], ca: /etc/ca.pem }
      |                                                     ^^^^^^^^^^^
  hint: write \${file:/etc/ca.pem}, quoted inside braces
`,
)

bad(
  'a secret that is no key',
  cluster(
    'replica: a\netcd: { endpoints: ["https://10.0.0.9:2379"], cert: "${file:cert}", key: "${file:secret}" }',
  ),
  `
bad.yaml:5:76: error: cluster.etcd.key: the secret does not fit here
    5 |   etcd: { endpoints: ["https://10.0.0.9:2379"], cert: "\${file:cert}", key: "\${file:secret}" }
      |                                                                            ^^^^^^^^^^^^^^^^
`,
)

bad(
  'a cluster that is a number, without an echo about the pool,',
  cluster('').replace(/cluster:[^]*?(?=listeners)/, 'cluster: 5\n'),
  `
bad.yaml:2:10: error: cluster: expected a map of settings, found "5"
    2 | cluster: 5
      |          ^
`,
)

doubtful(
  'a password in clear text',
  cluster(
    'replica: a\netcd: { endpoints: ["http://10.0.0.9:2379"], user: me, password: "${file:secret}" }',
  ),
  `
bad.yaml:5:58: warning: cluster.etcd.password: goes to http://10.0.0.9:2379 in clear text
    5 |   etcd: { endpoints: ["http://10.0.0.9:2379"], user: me, password: "\${file:secret}" }
      |                                                          ^^^^^^^^
  hint: write https in endpoints
`,
)

doubtful(
  'a cluster that no pool agrees by',
  cluster(`replica: a\n${endpoints}`).replace('agreement: etcd', ''),
  `
bad.yaml:2:1: warning: cluster: no pool agrees with other replicas on its active
    2 | cluster:
      | ^^^^^^^
  hint: add failover: { agreement: etcd } to an active-standby pool, or remove cluster
`,
)
