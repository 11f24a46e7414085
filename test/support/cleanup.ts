/**
 * What has to be undone when the run ends, or, where files run in several processes, a file. Not `afterAll`: called within a hook or a test it would run as soon
 * as that one is over.
 */

const undo: (() => unknown)[] = [];

export function onEnd(act: () => unknown): void {
  undo.push(act);
}

/** Undoes everything, the newest first; one failure does not keep the rest from being undone. */
export async function cleanUp(): Promise<void> {
  for (const act of undo.splice(0).toReversed()) {
    try {
      await act();
    } catch {
      // It is gone already.
    }
  }
}
