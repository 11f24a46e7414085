/** What Claude Code tells hooks of, as far as it can be listened to without changing anything. */

/**
 * Every observing event (https://code.claude.com/docs/en/hooks), in the order of a session. Never among them:
 * `WorktreeCreate`, which replaces git's own action, `FileChanged`, whose matcher is the watch list, and
 * `MessageDisplay`, which holds text on screen.
 */
export const HOOK_EVENTS = [
  "SessionStart",
  "Setup",
  "InstructionsLoaded",
  "UserPromptSubmit",
  "UserPromptExpansion",
  "PreToolUse",
  "PermissionRequest",
  "PermissionDenied",
  "PostToolUse",
  "PostToolUseFailure",
  "PostToolBatch",
  "Notification",
  "SubagentStart",
  "SubagentStop",
  "TaskCreated",
  "TaskCompleted",
  "TeammateIdle",
  "Elicitation",
  "ElicitationResult",
  "ConfigChange",
  "CwdChanged",
  "DirectoryAdded",
  "WorktreeRemove",
  "PreCompact",
  "PostCompact",
  "Stop",
  "StopFailure",
  "SessionEnd",
] as const;

/** Claude Code runs no `http` hooks at these: it skips them without a word. */
export const COMMAND_ONLY_EVENTS: readonly string[] = ["SessionStart", "Setup"];

/** Claude Code before this takes one event it does not know for a reason to skip the whole file. */
export const OLDEST_CLAUDE_CODE = "2.1.101";
