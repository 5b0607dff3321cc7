// The Node half of the outbox tests: one command a process, {"do": ..., arguments} as its last argument; answers JSON.
import { Outbox, openStore } from "millrace";
import pg from "pg";

const [path, url, text] = process.argv.slice(2);
const { do: what, ...given } = JSON.parse(text);
const store = await openStore(path);

async function connect() {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

const commands = {
  async add({ jobs, rollback = false }) {
    const outbox = new Outbox(store);
    const client = await connect();
    await client.query("CREATE TABLE IF NOT EXISTS orders (item TEXT)");
    await outbox.createTable(client);
    await client.query("BEGIN");
    const ids = [];
    for (const { queue = "default", name = "ship", data, opts } of jobs) {
      await client.query("INSERT INTO orders VALUES ($1)", [data.item]);
      ids.push((await outbox.add(client, queue, name, data, opts)).id);
    }
    await client.query(rollback ? "ROLLBACK" : "COMMIT");
    await client.end();
    return ids;
  },
  relay({ batch = 100, dieAt, pool = false }) {
    const onStep = (step) => {
      if (step === dieAt) process.kill(process.pid, "SIGKILL");
    };
    const outbox = new Outbox(store, { batch, onStep });
    if (!pool) return outbox.relay(connect);
    const clients = new pg.Pool({ connectionString: url, max: 1 });
    return outbox.relay(() => clients.connect()).finally(() => clients.end());
  },
};

const answer = await commands[what](given);
await store.close();
console.log(JSON.stringify(answer));
