// Is held in each way that node-postgres and pg-cursor have, and prints what it saw for each as JSON.
// NODE_PATH=… node late.cjs CONNECTION…   each way is tried by the next one: an agent may have few changes open
const { Client } = require('pg')
const Cursor = require('pg-cursor')

const read = (cursor, rows) => cursor.read(rows)

async function parallel(client) {
  // node-postgres 8 queues: each is sent when the one before it is answered, but nobody waits in between.
  const all = [
    client.query("UPDATE ten SET b = 'x' WHERE a = 11"),
    client.query('DELETE FROM ten'),
    client.query('SELECT 1'),
  ]
  const settled = await Promise.allSettled(all)
  const failed = settled.filter((s) => s.status === 'rejected')
  if (failed.length !== 1) throw new Error(`${failed.length} of three failed`)
  throw failed[0].reason
}

const WAYS = {
  autocommit: (client) => client.query('DELETE FROM ten'),
  parameters: (client) => client.query('DELETE FROM ten WHERE a > $1', [0]),
  'named statement': async (client) => {
    const text = 'UPDATE ten SET b = $1 WHERE a > $2'
    await client.query({ name: 's', text, values: ['x', 10] })
    await client.query({ name: 's', text, values: ['x', 0] })
  },
  'several statements': (client) => client.query("UPDATE ten SET b = 'x' WHERE a = 1; DELETE FROM ten; SELECT 1"),
  transaction: async (client) => {
    await client.query('BEGIN')
    await client.query('DELETE FROM ten')
    await client.query('SELECT 1')
    await client.query('COMMIT')
  },
  'one behind the other': parallel,
  rows: (client) => client.query('DELETE FROM ten RETURNING a'),
  'refused: cursor to the end': async (client) => {
    const cursor = client.query(new Cursor('DELETE FROM ten WHERE a > $1 RETURNING a', [0]))
    while ((await read(cursor, 3)).length > 0);
  },
  'refused: cursor closed in the middle': async (client) => {
    const cursor = client.query(new Cursor('DELETE FROM ten WHERE a > $1 RETURNING a', [0]))
    await read(cursor, 3)
    await cursor.close()
  },
  'cursor to the end of a transaction': async (client) => {
    await client.query('BEGIN')
    const cursor = client.query(new Cursor('DELETE FROM ten WHERE a > $1 RETURNING a', [0]))
    while ((await read(cursor, 3)).length > 0);
    await client.query('COMMIT')
  },
  'cursor in a transaction': async (client) => {
    await client.query('BEGIN')
    const cursor = client.query(new Cursor('DELETE FROM ten WHERE a > $1 RETURNING a', [0]))
    await read(cursor, 3)
    await cursor.close()
    await client.query('COMMIT')
  },
}

async function main() {
  const said = {}
  for (const [place, [name, way]] of Object.entries(WAYS).entries()) {
    const client = new Client({ connectionString: process.argv[2 + place] })
    const unasked = []
    client.on('error', (error) => unasked.push(error.code || String(error)))
    await client.connect()
    let state = 'none'
    try {
      await way(client)
    } catch (error) {
      state = error.code || String(error)
    }
    let rows = 'lost'
    try {
      await client.query('ROLLBACK')
      rows = (await client.query('SELECT count(*)::int AS n FROM ten')).rows[0].n
    } catch (error) {
      rows = String(error)
    }
    said[name] = [state, rows, ...unasked]
    await client.end()
  }
  console.log(JSON.stringify(said))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
