/** Hands on each message of a stream of Server-Sent Events, as its lines stand there, until the stream ends. */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  onMessage: (message: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const messages = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) onMessage(message);
  }
}
