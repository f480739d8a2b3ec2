// Calls of the AWS SDK for JavaScript (version 3), as the JSON on standard input says; what came of each is printed as JSON.
// A call is {client, command, input}; `upload` is lib-storage's, `presign` gives a URL. {assume: input} makes the calls after it
// with the key of a role. A body {stream: text} is sent as it comes: in chunks, with its checksum behind them.

const { Readable } = require("node:stream");
const load = (name) => require(`@aws-sdk/${name}`);
const plain = { forcePathStyle: true };
let credentials; // the environment's, until a role is assumed

const made = new Map();
function client(service) {
  if (!made.has(service)) {
    const found = load(`client-${service}`);
    const Client = Object.entries(found).find(([name]) => name.toLowerCase() === `${service}client`)[1];
    made.set(service, [found, new Client({ ...(service === "s3" ? plain : {}), ...(credentials ? { credentials } : {}) })]);
  }
  return made.get(service);
}

async function assume(input) {
  const [sts, client_] = client("sts");
  const { Credentials: c } = await client_.send(new sts.AssumeRoleCommand(input));
  credentials = { accessKeyId: c.AccessKeyId, secretAccessKey: c.SecretAccessKey, sessionToken: c.SessionToken };
  made.clear();
  return { keyId: c.AccessKeyId };
}

async function upload(input) {
  const body = Buffer.alloc(input.size, "x");
  const params = { Bucket: input.Bucket, Key: input.Key, Body: body };
  await new (load("lib-storage").Upload)({ client: client("s3")[1], params }).done();
  return {};
}

async function presign({ command, input }) {
  const [s3, client_] = client("s3");
  return load("s3-request-presigner").getSignedUrl(client_, new s3[`${command}Command`](input), { expiresIn: 600 });
}

async function call({ client: service, command, input }) {
  const [found, client_] = client(service);
  if (input?.Body?.stream) input.Body = Readable.from([Buffer.from(input.Body.stream)]);
  const answer = await client_.send(new found[`${command}Command`](input ?? {}));
  if (answer.Body?.transformToString) answer.Body = await answer.Body.transformToString();
  return answer;
}

function failure(error) {
  const { name, message, $fault, $metadata, $retryable, Code, InterlockChange } = error;
  return { error: { name, message, fault: $fault, metadata: $metadata, retryable: $retryable ?? null, Code, InterlockChange } };
}

async function one(wanted) {
  if (wanted.assume) return assume(wanted.assume);
  if (wanted.upload) return upload(wanted.upload);
  if (wanted.presign) return presign(wanted.presign);
  return call(wanted);
}

async function main() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  const told = [];
  for (const wanted of JSON.parse(Buffer.concat(parts).toString())) {
    try {
      told.push(await one(wanted));
    } catch (error) {
      told.push(failure(error));
    }
  }
  console.log(JSON.stringify(told));
}

main();
