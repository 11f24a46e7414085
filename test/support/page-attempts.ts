/** Everything a web page can do to reach a server. Runs in the page, so it names nothing outside of itself. */

export interface Aim {
  /** The server's origin. */
  target: string;
  /** One that is good there; null where none is asked for. */
  token: string | null;
}

/** What each attempt has brought the page, "" where that is nothing. Every request names its attempt in the query. */
export async function attempts({ target, token }: Aim): Promise<Record<string, string>> {
  const WAIT_MS = 10_000;
  /** Of what may never tell that it has failed. */
  const FRAME_MS = 500;
  const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
  const { body: page } = document;
  const made: Record<string, Promise<string>> = {};

  function attempt(name: string, path: string, act: (url: string) => Promise<string> | string): void {
    const url = new URL(path, target);
    url.searchParams.set("attempt", name);
    const late = new Promise<string>((resolve) => setTimeout(resolve, WAIT_MS, ""));
    made[name] = Promise.race([Promise.resolve(url.href).then(act), late]).catch(() => "");
  }

  const event = (name: string) => JSON.stringify({ type: "from.a.page", name });
  const read = async (asked: Promise<Response>) => {
    const response = await asked;
    return response.ok ? `${response.status} ${await response.text()}` : "";
  };

  // Scripts that ask.
  for (const path of ["/api/events", "/api/sessions", "/stats", "/health", "/"]) {
    attempt(`fetch ${path}`, path, (url) => read(fetch(url, { headers })));
    attempt(`no-cors ${path}`, path, (url) => read(fetch(url, { mode: "no-cors" })));
  }
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
  ];
  for (const type of types) {
    const post = (name: string): RequestInit => ({
      method: "POST",
      headers: { "Content-Type": type },
      body: event(name),
    });
    for (const path of ["/api/events", "/api/hooks/claude"]) {
      const name = `post ${path} ${type}`;
      attempt(name, path, (url) => {
        const { headers: own, ...init } = post(name);
        return read(fetch(url, { ...init, headers: { ...own, ...headers } }));
      });
    }
    attempt(`no-cors post ${type}`, "/api/events", (url) => {
      return read(fetch(url, { ...post(`no-cors post ${type}`), mode: "no-cors" }));
    });
  }
  attempt("keepalive", "/api/events", (url) => {
    return read(fetch(url, { method: "POST", body: event("keepalive"), keepalive: true, mode: "no-cors" }));
  });
  for (const [method, body] of [
    ["GET", null],
    ["POST", event("XMLHttpRequest")],
  ] as const) {
    attempt(`XMLHttpRequest ${method}`, "/api/events", (url) => {
      return new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open(method, url);
        for (const [key, value] of Object.entries(headers)) request.setRequestHeader(key, value);
        request.onload = () => resolve(request.status < 400 ? request.responseText : "");
        request.onerror = () => resolve("");
        request.send(body);
      });
    });
  }

  // What is sent and not waited for.
  for (const [name, body] of Object.entries({
    "beacon text": event("beacon text"),
    "beacon blob": new Blob([event("beacon blob")], { type: "application/x-www-form-urlencoded" }),
  })) {
    attempt(name, "/api/events", (url) => {
      navigator.sendBeacon(url, body);
      return "";
    });
  }
  attempt("ping of a link", "/api/events", (url) => {
    const link = Object.assign(document.createElement("a"), { href: "#here", ping: url });
    page.append(link);
    link.click();
    return "";
  });

  // Connections.
  const withToken = (url: string) => (token === null ? url : `${url}&token=${token}`);
  attempt("EventSource", "/api/events/stream", (url) => {
    const source = new EventSource(withToken(url));
    return new Promise<string>((resolve) => {
      source.onopen = () => resolve("open");
      source.onerror = () => resolve("");
    }).finally(() => source.close());
  });
  attempt("WebSocket", "/socket.io/?EIO=4&transport=websocket", (url) => {
    const socket = new WebSocket(url.replace("http", "ws"));
    return new Promise<string>((resolve) => {
      socket.onmessage = ({ data }) => resolve(String(data));
      socket.onerror = () => resolve("");
    }).finally(() => socket.close());
  });
  attempt("polling", "/socket.io/?EIO=4&transport=polling", (url) => read(fetch(url)));
  const { io } = globalThis as unknown as { io: (url: string, options: object) => any };
  for (const transport of ["polling", "websocket"]) {
    const name = `Socket.IO ${transport}`;
    attempt(name, "/", (url) => {
      const query = { attempt: name };
      const options = {
        transports: [transport],
        auth: { token },
        query,
        reconnection: false,
        forceNew: true,
      };
      const socket = io(new URL(url).origin, options);
      return new Promise<string>((resolve) => {
        socket.on("connect_error", () => resolve(""));
        socket.on("connection_ack", async (ack: unknown) => {
          const stored = await socket.emitWithAck("claude_event", { type: "from.a.page", name });
          resolve(JSON.stringify({ ack, stored }));
        });
      }).finally(() => socket.disconnect());
    });
  }

  // What a page is made of.
  const load = (tag: string, attribute: string, url: string, more: object = {}): Promise<string> => {
    return new Promise((resolve) => {
      const element = document.createElement(tag);
      element.addEventListener("load", () => resolve("loaded"));
      element.addEventListener("error", () => resolve(""));
      Object.assign(element, more);
      element.setAttribute(attribute, url);
      page.append(element);
    });
  };
  const bundle = "/socket.io/socket.io.js";
  attempt("script", bundle, (url) => load("script", "src", url));
  attempt("script of CORS", bundle, (url) => load("script", "src", url, { crossOrigin: "anonymous" }));
  attempt("script of events", "/api/events", (url) => load("script", "src", url));
  attempt("module", bundle, (url) => load("script", "src", url, { type: "module" }));
  attempt("import", bundle, (url) => import(url).then(() => "loaded"));
  attempt("preload", bundle, (url) => load("link", "href", url, { rel: "preload", as: "script" }));
  attempt("prefetch", "/api/events", (url) => load("link", "href", url, { rel: "prefetch" }));
  attempt("stylesheet", bundle, (url) => load("link", "href", url, { rel: "stylesheet" }));
  attempt("image", "/api/events", (url) => load("img", "src", url));
  attempt("video", "/api/events", (url) => load("video", "src", url));
  attempt("importScripts", bundle, (url) => {
    const code = `try { importScripts(${JSON.stringify(url)}); postMessage("loaded") } catch { postMessage("") }`;
    const worker = new Worker(URL.createObjectURL(new Blob([code])));
    return new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(String(data))));
  });

  // Other documents.
  const textOf = (frame: HTMLIFrameElement | HTMLObjectElement) =>
    frame.contentDocument?.documentElement.textContent ?? "";
  for (const [tag, attribute] of [
    ["iframe", "src"],
    ["object", "data"],
  ] as const) {
    for (const path of ["/", "/api/events"]) {
      attempt(`${tag} ${path}`, path, async (url) => {
        const element = document.createElement(tag);
        const done = new Promise((resolve) => {
          element.onload = element.onerror = resolve;
          setTimeout(resolve, FRAME_MS);
        });
        element.setAttribute(attribute, url);
        page.append(element);
        await done;
        return textOf(element);
      });
    }
  }
  attempt("frame without an origin", "/api/events", (url) => {
    const code = `fetch(${JSON.stringify(url)}, { headers: ${JSON.stringify(headers)} }).then((r) => r.text())
      .then((text) => parent.postMessage(text, "*"), () => parent.postMessage("", "*"))`;
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.srcdoc = `<script>${code}</script>`;
    return new Promise((resolve) => {
      setTimeout(resolve, FRAME_MS, "");
      addEventListener("message", ({ data }) => resolve(String(data)));
      page.append(frame);
    });
  });
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    attempt(`form ${type}`, "/api/events", async (action) => {
      const frame = Object.assign(document.createElement("iframe"), { name: type });
      const form = document.createElement("form");
      Object.assign(form, { action, method: "post", enctype: type, target: type });
      // As text, a name and its value become one JSON object.
      const [name, value] = ['{"type": "from.a.page", "name": "form', 'form"}'];
      form.append(Object.assign(document.createElement("input"), { name, value }));
      page.append(frame, form);
      form.submit();
      await new Promise((resolve) => (frame.onload = resolve));
      return textOf(frame);
    });
  }
  attempt("window", "/api/events", async (url) => {
    const other = open(url);
    if (other === null) return "";
    try {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (other.location.href === url && other.document.readyState === "complete") {
          return other.document.documentElement.textContent ?? "";
        }
      }
    } finally {
      other.close();
    }
  });

  const entries = Object.entries(made).map(async ([name, got]) => [name, await got] as const);
  return Object.fromEntries(await Promise.all(entries));
}
