/** Events with secrets in them, such as agents send, and texts that look like secrets and are none. */
import { hookEvent } from "../../src/protocol/hook-event.ts";

export const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const HEX = "0123456789abcdef";
const BASE62 = `0123456789${UPPER}${UPPER.toLowerCase()}`;
export const BASE64 = `${BASE62}+/`;

/** The same each time, and made here, so that nothing in this file looks like a secret. */
let state = 42;
export function random(length: number, alphabet = BASE62): string {
  let text = "";
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += alphabet[(state >>> 8) % alphabet.length];
  }
  return text;
}

/** With a digit and a letter, whatever comes of chance. */
const opaque = (length: number) => `a1${random(length - 2)}`;
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
export const jwt = () =>
  [base64url({ alg: "HS256", typ: "JWT" }), base64url({ sub: "1", n: 2 }), random(43)].join(".");
const keyLines = (count: number) => Array.from({ length: count }, () => random(64, BASE64));
const keyBlock = (kind: string, lineEnd = "\n") => {
  const label = `${kind}PRIVATE ${"KEY"}`;
  return [`-----BEGIN ${label}-----`, ...keyLines(4), `-----END ${label}-----`].join(lineEnd);
};

/** As Claude Code's hooks bring it. */
const tool = (name: string, input: object, response: object = {}) =>
  hookEvent(
    {
      session_id: "84cd3d75-7a5c-4d0d-9d5e-9a1f6f7f3c11",
      transcript_path: "/Users/dev/.claude/projects/-Users-dev-app/84cd3d75.jsonl",
      cwd: "/Users/dev/app",
      hook_event_name: "PostToolUse",
      tool_name: name,
      tool_input: input,
      tool_response: response,
      tool_use_id: "toolu_01GvZ77o857ULP15Jy9Ruh12",
    },
    1_780_000_000_000,
  );
export const bash = (command: string) => tool("Bash", { command, description: "Runs it" });
const stdout = (text: string) => tool("Bash", { command: "cat it" }, { stdout: text, stderr: "" });
const write = (content: string) => tool("Write", { file_path: "/Users/dev/app/a.txt", content });
const say = (prompt: string) => ({ type: "hook.user_prompt_submit", data: { prompt } });
const fields = (data: object) => ({ type: "tool.call", data });

/** What is masked, and the event around it: the rest of it stays as it is. */
export type Secret = [kind: string, secret: string, event: (secret: string) => object];

/** Others with each call, where they are made of chance. */
export const secrets = (): Secret[] => [
  ["anthropic-key", `sk-ant-api03-${random(93)}AA`, (it) => bash(`export ANTHROPIC_API_KEY=${it}`)],
  ["anthropic-key", `sk-ant-oat01-${random(86)}`, (it) => say(`use my key ${it}, please`)],
  ["anthropic-key", `sk-ant-admin01-${random(80)}`, (it) => stdout(`first line\n${it}\nlast line`)],
  [
    "openai-key",
    `sk-${random(48)}`,
    (it) => bash(`curl -H "Authorization: Bearer ${it}" https://api.openai.com`),
  ],
  ["openai-key", `sk-proj-${random(60)}_${random(30)}-x`, (it) => write(`const key = "${it}";`)],
  ["openai-key", `sk-svcacct-${random(50)}`, (it) => fields({ text: it })],
  ["openai-key", `sk-admin-${random(50)}`, (it) => fields({ text: it })],
  ["openai-key", `sk-or-v1-${random(64, HEX)}`, (it) => write(`{\\"k\\":\\"one\\\\n${it}\\"}`)],
  ...["p", "o", "u", "s", "r"].map((letter): Secret => {
    return [
      "github-token",
      `gh${letter}_${random(36)}`,
      (it) => bash(`gh auth login --with-token <<< ${it}`),
    ];
  }),
  ["github-token", `github_pat_${random(22)}_${random(59)}`, (it) => write(`GITHUB_TOKEN=${it}\nPORT=80\n`)],
  [
    "github-token",
    `ghs_${random(36)}`,
    (it) => bash(`git clone https://x-access-token:${it}@github.com/a/b`),
  ],
  ["github-token", `ghp_${random(36)}`, (it) => bash(`git push https://${it}@github.com/a/b.git`)],
  [
    "gitlab-token",
    `glpat-${random(20)}`,
    (it) => bash(`curl --header "PRIVATE-TOKEN: ${it}" https://gitlab.com`),
  ],
  ["gitlab-token", `glpat-${random(27)}.01.${random(9)}`, (it) => say(it)],
  ["aws-key-id", `AKIA${random(16, `${UPPER}234567`)}`, (it) => write(`aws_access_key_id = ${it}\n`)],
  ["aws-key-id", `ASIA${random(16, `${UPPER}234567`)}`, (it) => stdout(`{"AccessKeyId":"${it}"}`)],
  [
    "access-key",
    `/a1${random(18)}/${random(18)}`,
    (it) => write(`[default]\naws_secret_access_key = ${it}\n`),
  ],
  ["access-key", `a1${random(38, BASE64)}`, (it) => bash(`AWS_SECRET_ACCESS_KEY=${it} aws s3 ls`)],
  ["access-key", `a1${random(38, BASE64)}`, (it) => stdout(`{ "SecretAccessKey": "${it}", "Version": 1 }`)],
  ["google-key", `AIza${random(35)}`, (it) => write(`https://maps.googleapis.com/js?key=${it}&v=3`)],
  ...["xoxb-", "xoxp-", "xoxa-2-", "xoxr-", "xoxs-"].map((prefix): Secret => {
    return ["slack-token", `${prefix}${random(12, "0123456789")}-${random(24)}`, (it) => fields({ bot: it })];
  }),
  ["stripe-key", `sk_${"live"}_${random(24)}`, (it) => write(`stripe = new Stripe('${it}')`)],
  ["stripe-key", `rk_${"live"}_${random(24)}`, (it) => fields({ list: ["one", it] })],
  ["stripe-key", `sk_${"test"}_${random(24)}`, (it) => bash(`stripe listen --api-key ${it}`)],
  ["npm-token", `npm_${random(36)}`, (it) => write(`//registry.npmjs.org/:_authToken=${it}`)],
  ["hugging-face-token", `hf_${random(34)}`, (it) => bash(`huggingface-cli login --token ${it}`)],
  ["sendgrid-key", `SG.${random(22)}.${random(43)}`, (it) => write(`sgMail.setApiKey("${it}")`)],
  ["twilio-key", `SK${random(32, HEX)}`, (it) => fields({ sid: it })],
  ["digitalocean-token", `dop_v1_${random(64, HEX)}`, (it) => bash(`doctl auth init -t ${it}`)],
  [
    "pypi-token",
    `pypi-AgEI${random(150)}`,
    (it) => write(`[pypi]\nusername = __token__\npassword = ${it}\n`),
  ],
  [
    "server-token",
    `cms_${random(43)}`,
    (it) => bash(`CLAUDE_MPM_SOCKETIO_TOKEN=${it} claude-mpm-socketio tail`),
  ],
  ["server-token", `cms_${random(41)}-_`, (it) => fields({ auth: { note: it } })],
  ["server-token", `cms_${random(43)}`, (it) => say(`open http://localhost:8765/x/${it}?a=1`)],
  ["login-code", `cml_${random(43)}`, (it) => bash(`xdg-open 'http://127.0.0.1:8765/?token=${it}'`)],
  ["login-code", `cml_${random(43)}`, (it) => say(it)],

  ["jwt", jwt(), (it) => bash(`curl -H 'Authorization: Bearer ${it}' localhost`)],
  ["jwt", jwt(), (it) => stdout(`{"id":1,"jwt":"${it}"}`)],
  ["jwt", jwt(), (it) => write(`const cookie = "session=${it}; Path=/";`)],
  ["bearer-token", opaque(32), (it) => bash(`curl -H "authorization: bearer ${it}" https://example.com`)],
  ["bearer-token", opaque(24), (it) => say(`it sends Bearer ${it} and gets 401`)],
  [
    "authorization",
    `${"dXNlcjpwYXNz"}d29yZA==`,
    (it) => bash(`curl -H "Authorization: Basic ${it}" localhost`),
  ],
  ["authorization", "dXNlcjpwYXNz", (it) => stdout(`> Authorization: Basic ${it}\n> Accept: */*`)],
  ["bearer-token", `aB${random(22, UPPER + UPPER.toLowerCase())}`, (it) => say(`Bearer ${it}`)],
  ["authorization", opaque(40), (it) => bash(`curl -H "Authorization: token ${it}" https://api.example.com`)],
  ["api-key", opaque(32), (it) => bash(`curl -H "X-Api-Key: ${it}" https://example.com`)],

  ["private-key", keyBlock("RSA "), (it) => write(`${it}\n`)],
  ["private-key", keyBlock(""), (it) => stdout(`before\n${it}\nafter - and more`)],
  ["private-key", keyBlock("EC "), (it) => bash(`cat > key.pem <<'EOF'\n${it}\nEOF`)],
  ["private-key", keyBlock("OPENSSH "), (it) => fields({ file: { content: it } })],
  ["private-key", keyBlock("", "\\n"), (it) => write(`{"type":"service_account","private":"${it}\\n"}`)],
  ["private-key", keyBlock("ENCRYPTED ", "\\\\n"), (it) => say(`"{\\"pem\\":\\"${it}\\"}"`)],
  [
    "private-key",
    keyBlock("").replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n"),
    (it) => write(it),
  ],
  [
    "private-key",
    `-----BEGIN PGP PRIVATE ${"KEY"} BLOCK-----\n\n${keyLines(3).join("\n")}\n=ab1C\n-----END PGP PRIVATE ${"KEY"} BLOCK-----`,
    (it) => write(it),
  ],
  [
    "private-key",
    `-----BEGIN PRIVATE ${"KEY"}-----\nMIIE\n-----END PRIVATE ${"KEY"}-----`,
    (it) => write(it),
  ],
  [
    "private-key",
    `-----BEGIN PRIVATE ${"KEY"}-----\n${keyLines(2).join("\n")}`,
    (it) => write(`${it}… [1,234 characters left out]`),
  ],
  [
    "private-key",
    [`-----BEGIN PRIVATE ${"KEY"}-----`, ...keyLines(2)].join("\\n"),
    (it) => write(`"${it}… [1,234 characters left out]`),
  ],

  ["url-password", "s3cr3t", (it) => write(`DATABASE_URL=postgres://app:${it}@db.internal:5432/app`)],
  ["url-password", "pa%40ss!word", (it) => bash(`mysqldump --uri=mysql://root:${it}@127.0.0.1/app`)],
  ["url-password", "p@ss", (it) => say(`mongodb+srv://me:${it}@cluster0.abcde.mongodb.net/db`)],
  ["url-password", "hunter", (it) => fields({ redis: `redis://:${it}@localhost:6379/0` })],
  ["url-password", opaque(20), (it) => stdout(`amqps://guest:${it}@mq:5671, then\nhttp://localhost:3000/`)],
  ["url-password", "letmein", (it) => bash(`curl https://me:${it}@example.com/a?b=c@d`)],

  ["password", "hunter2", (it) => bash(`PGPASSWORD=${it} psql -h localhost`)],
  ["password", "correcthorse", (it) => write(`# local\nDB_HOST=localhost\nDB_PASSWORD=${it}\nDB_PORT=1\n`)],
  ["password", "two words", (it) => write(`DB_PASSWORD="${it}"`)],
  ["password", "hunter2", (it) => bash(`docker run -e MYSQL_ROOT_PASSWORD=${it} mysql:8`)],
  ["token", opaque(16), (it) => bash(`export FOO_TOKEN=${it}; deploy`)],
  ["token", "abcdefgh", (it) => bash(`export FOO_TOKEN='${it}'`)],
  ["api-key", opaque(20), (it) => bash(`docker build --build-arg API_KEY=${it} .`)],
  ["password", "s3cret!", (it) => bash(`mysql -u root --password ${it} app`)],
  ["password", "supersecret", (it) => bash(`mysql --password=${it} app`)],
  ["password", "hunter2", (it) => bash(`java -jar app.jar -password ${it}`)],
  ["password", "it is long", (it) => bash(`vault login --password "${it}"`)],
  ["token", opaque(20), (it) => bash(`deploy --token ${it} --force`)],
  ["api-key", opaque(20), (it) => bash(`tool --api-key "${it}"`)],
  ["password", "hunter2", (it) => write(`db:\n  user: app\n  password: ${it}\n  port: 1\n`)],
  ["password", "hunter2", (it) => write(`password: ${it} # change it`)],
  ["password", "hunter2", (it) => write(`[client]\npassword = ${it}\n`)],
  ["password", "correct", (it) => write(`{\n  "user": "app",\n  "password": "${it}"\n}`)],
  ["password", "hunter2", (it) => bash(`curl -d "{\\"password\\": \\"${it}\\"}" localhost`)],
  ["password", 'hun\\"ter2', (it) => write(`login({ user: "me", password: "${it}" })`)],
  ["secret", "keyboard cat".replace(" ", "-"), (it) => write(`app.use(session({ secret: '${it}' }))`)],
  ["api-key", opaque(24), (it) => write(`client = Client(api_key="${it}", timeout=3)`)],
  ["secret-key", `django-insecure-${random(20)}1`, (it) => write(`SECRET_KEY = '${it}'`)],
  ["api-key", opaque(24), (it) => write(`apiKey := "${it}"`)],
  ["password", "geheim", (it) => write(`$config = ['user' => 'app', 'password' => '${it}'];`)],
  ["password", "geheim", (it) => write(`config["password"] = '${it}'`)],
  ["password", "Geheim", (it) => write(`Server=db;Database=app;User Id=sa;Password=${it};Encrypt=true`)],
  ["account-key", `${random(86, BASE64)}==`, (it) => write(`AccountName=me;AccountKey=${it};Suffix=core`)],
  ["token", opaque(20), (it) => bash(`curl 'https://example.com/a?access_token=${it}&b=c'`)],
  ["password", "hunter", (it) => bash(`curl -d 'password=${it}&user=me' localhost`)],
  ["token", opaque(20), (it) => bash(`$env:TOKEN = "${it}"`)],
  ["secret", "abc-def", (it) => write(`CLIENT_SECRET=${it}`)],
  ["password", "abc", (it) => fields({ env: [`PWD=${it}`] })],
  ["password", "a(b),c]d", (it) => bash(`PASSWORD=${it} run`)],
  ["password", "a token=abc123def", (it) => write(`DB_PASSWORD="${it}"`)],
  ["password", "hunter2", (it) => write(`secret: "then export PASSWORD=${it} and go on"`)],
  ["password", "geheim", (it) => write(`passwd = "${it}"`)],
  ["password", "geheim", (it) => write(`passphrase: '${it}'`)],
  ["password", "hunter2", (it) => fields({ text: `password: ${it}` })],
  ["password", "hunter2", (it) => write(`"user: me\\npassword: ${it}\\nport: 1"`)],
  ["password", "Geheim", (it) => write(`Password=${it};Server=db`)],
  ["password", "Geheim", (it) => write(`Server=db; Password=${it}`)],
  ["token", "abcdefgh", (it) => say(`https://example.com/?access_token=${it}`)],

  ...["password", "passwd", "Password", "userPassword", "passphrase"].map((name): Secret => {
    return ["password", "any word", (it) => fields({ form: { [name]: it } })];
  }),
  ...["secret", "client_secret", "clientSecret"].map((name): Secret => {
    return ["secret", "any word", (it) => fields({ [name]: it })];
  }),
  ...["access_token", "refresh_token", "token", "GITHUB_TOKEN"].map((name): Secret => {
    return ["token", "any-word", (it) => fields({ [name]: it })];
  }),
  ...["api_key", "apikey", "apiKey", "X-Api-Key"].map((name): Secret => {
    return ["api-key", "any-word", (it) => fields({ headers: { [name]: it } })];
  }),
  ["authorization", "Bearer short", (it) => fields({ headers: { Authorization: it } })],
  ["private-key", "any text", (it) => fields({ private_key: it })],
  ["password", "any word", (it) => fields({ env: [{ name: "DB_PASSWORD", value: it }] })],
  ["secret", "any word", (it) => fields({ tags: [{ Value: it, Key: "client_secret" }] })],
  ["password", "one of two", (it) => fields({ password: ["${FIRST}", it] })],
  ["password", "hunter", (it) => fields({ command: ["mysql", "--password", it, "app"] })],
];

const IMAGE = `iVBORw0KGgoAAAANSUhEUgAA${random(4000, BASE64)}`;

/** What looks like a secret, and is none. */
export const LOOKALIKES: Record<string, string[]> = {
  hashes: [
    random(40, HEX),
    `commit ${random(40, HEX)}\nMerge: ${random(7, HEX)} ${random(7, HEX)}`,
    `sha256:${random(64, HEX)}`,
    `sha512-${random(86, BASE64)}==`,
    `"integrity": "sha256-${random(43, BASE64)}="`,
    `token: sha256`,
  ],
  ids: [
    "84cd3d75-7a5c-4d0d-9d5e-9a1f6f7f3c11",
    `toolu_01${random(22)}`,
    `msg_01${random(22)}`,
    `req_011${random(21)}`,
    `agent-a793beae9fa532d0f.jsonl`,
    `cus_${random(14)}`,
    `cms_${random(44)}`,
    "cms_pages and cml_parser",
    `pk_live_${random(24)}`,
    `AC${random(32, HEX)}`,
    `task-${random(26, UPPER)}`,
    `disk-${random(30, HEX)}`,
    `AKIA${random(30, UPPER)}`,
    `arn:aws:iam::123456789012:role/token`,
  ],
  images: [IMAGE, `data:image/png;base64,${IMAGE}`],
  paths: [
    "/Users/dev/project/src/token.ts",
    "API token: https://example.com/a1b2c3",
    "/etc/ssl/private/key.pem",
    "PWD=/home/me/app",
    "--private-key ./deploy.pem",
    "PASSWORD_FILE=/run/secrets/db_password",
    "SECRET=/run/secrets/db",
    "node_modules/@scope/npm_package_secret/index.js",
  ],
  prose: [
    "the password must have 8 characters",
    "Enter your password:",
    "Password: required",
    "a bearer token authenticates the request",
    "Bearer authentication",
    "Authorization: Basic authentication is used",
    "--password for the user",
    "it takes a token a1b2c3d4",
    "--username and --password options",
    "--password --force",
    "pass --token TOKEN, or --token <token>",
    "reset the password=, then go on",
    "the secret to success: practice",
    "the token expires: see section 4.2",
    "It begins with -----BEGIN PRIVATE KEY----- and then come lines of text of the key",
  ],
  code: [
    "token: string",
    "function login(password: string, token?: string): void",
    "secret: Uint8Array;",
    "const apiKey = process.env.API_KEY;",
    "api_key=os.environ['API_KEY_2']",
    "password = getPassword2()",
    "token = tokens[12]",
    "const token = await readToken1(input);",
    "connect(password=password1, token=token2)",
    `{ password: "password", secret: "string", token: "a1" }`,
    "--password DB_PASSWORD",
    "--password creds.password",
    "use token::Kind1",
    `const read = (token) => "abc123def";`,
    `each(token => "abc123def")`,
    "API_TOKEN = loadToken",
    "API_TOKEN: loadToken",
    "this.TOKEN=loadToken",
    "x = 1; secret = other; y = 2",
    "a;i.token=readNext(e);b=1",
    "PASSWORD=y",
    "TOKEN=EOF",
    "MAX_TOKEN=200000",
    "if (token === 'abc123def') return;",
    "token = self.token1",
    "password: config.password2,",
    "case Token.secret1: break;",
    `import { token } from "./token.ts";`,
    `{ token: "identifier" }`,
    `labels: { password: "Your password", secret: "" }`,
    "max_tokens: 4096",
    "MAX_TOKEN=4096",
    `"token": 12345678`,
    `if (text.includes("-----BEGIN PRIVATE KEY-----")) throw new Error("-----END")`,
    `{ name: "password", type: "password" }`,
    `apiKey: "OPENAI_API_KEY"`,
    "const passwordless = 'abc12345'",
    "#sk-folding-cube-with-a-long-name { margin: 0 }",
    "npm_config_registry=https://registry.npmjs.org/",
    "http://localhost:5173/@vite/client",
    "https://example.com:8080/@scope/a:b@c",
    "git@github.com:me/app.git",
    "eyJ is how a token begins.and.ends",
  ],
  references: [
    "PASSWORD=$PASSWORD",
    'AUTHORIZATION="Bearer $TOKEN"',
    'AUTHORIZATION="Bearer [redacted:bearer-token]"',
    'TOKEN="${GITHUB_TOKEN}"',
    "curl -H 'Authorization: Bearer $TOKEN'",
    'curl -H "Authorization: Bearer ${TOKEN_1}"',
    "export GH_TOKEN=$(gh auth token)",
    "export GH_TOKEN=`gh auth token`",
    "postgres://app:${DB_PASSWORD}@db/app",
    "postgres://app:$PW1@db/app",
    "postgres://app:{password}@db/app",
    'PASSWORD="<your password>"',
    "password: ${{ secrets.DB_PASSWORD_1 }}",
    "password: {{ .Values.password1 }}",
    "set PASSWORD=%DB_PASSWORD1%",
    "--password <password1>",
    "token: <your-token-1>",
  ],
  empty: [
    "PASSWORD=",
    'PASSWORD=""',
    "password: ''",
    "TOKEN=\nNEXT=1",
    'PASSWORD="\nNEXT="1"',
    "password: ********",
    "API_KEY=xxxxxxxx",
    "API_KEY=...",
    "api_key: your-api-key-123",
  ],
};
