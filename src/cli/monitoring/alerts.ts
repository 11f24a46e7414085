/** Rules of Prometheus that tell of what somebody has to look at. */
import { metricName } from "../../metrics.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import { createQueries } from "./queries.ts";

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  severity: "critical" | "warning";
  summary: string;
  /** What to do, or where to look. */
  description: string;
}

const { metric, rate, increase, quantile } = createQueries([], "5m");
const DAY_SECONDS = 24 * 3600;

/** Refusals for which the server is the reason, not what was sent. */
const SERVER_REFUSALS: ErrorCode[] = ["log_unavailable", "overloaded", "internal"];

const LIMITS: ErrorCode[] = ["rate_limited", "too_many_handshakes", "too_many_connections"];

const DOCTOR = "`claude-mpm-socketio doctor` on its machine finds what is wrong.";
const HEALTH = "`claude-mpm-socketio health` says what its checks find, `logs` what led to it.";

const RULES: Rule[] = [
  {
    alert: "Down",
    // Whatever the job is called: a target that has been a server of ours within a day, and does not answer.
    expr: `up == 0 and on (job, instance) last_over_time(${metricName("info")}[1d])`,
    for: "2m",
    severity: "critical",
    summary: "The server does not answer",
    description: `Hooks keep their events meanwhile. ${DOCTOR}`,
  },
  {
    alert: "RestartsOften",
    expr: `changes(${metric("start_time_seconds")}[15m]) > 3`,
    severity: "warning",
    summary: "The server has been started {{ $value }} times within 15 minutes",
    description: "`claude-mpm-socketio logs` shows what it said before it ended.",
  },
  {
    alert: "Unhealthy",
    expr: `${metric("health_status")} == 2`,
    for: "1m",
    severity: "critical",
    summary: "The server does not do its work",
    description: HEALTH,
  },
  {
    alert: "Degraded",
    expr: `${metric("health_check_status")} == 1`,
    for: "10m",
    severity: "warning",
    summary: "The check {{ $labels.check }} has been failing for 10 minutes",
    description: HEALTH,
  },
  {
    alert: "LogFailing",
    expr: `${metric("health_check_status", 'check=~"log|log_file|disk"')} > 0`,
    for: "2m",
    severity: "critical",
    summary: "Events or log lines cannot be stored as they should be: check {{ $labels.check }}",
    description: `Look at the disk first. ${HEALTH}`,
  },
  {
    alert: "RedisAway",
    expr: `${metric("redis_up")} == 0`,
    for: "1m",
    severity: "critical",
    summary: "Redis cannot be used for the {{ $labels.use }}",
    description: `New events are refused meanwhile, and senders keep them; reading goes on. Look at Redis first. ${HEALTH}`,
  },
  {
    alert: "BehindRedis",
    expr: `${metric("log_tail_lag_events")} > 1000`,
    for: "5m",
    severity: "warning",
    summary: "The server has {{ $value }} events of the others still to read",
    description: "It is too slow for what all servers together take, or its way to Redis is.",
  },
  {
    alert: "RefusingEvents",
    expr: `sum by (server_id, instance, reason) (${rate("refused_total", `reason=~"${SERVER_REFUSALS.join("|")}"`)}) > 0`,
    for: "2m",
    severity: "critical",
    summary: "The server refuses events that are in order: {{ $labels.reason }}",
    description: HEALTH,
  },
  {
    alert: "LimitsReached",
    expr: `sum by (server_id, instance, reason) (${rate("refused_total", `reason=~"${LIMITS.join("|")}"`)}) > 0`,
    for: "10m",
    severity: "warning",
    summary: "Clients have been turned away for 10 minutes: {{ $labels.reason }}",
    description: "One sends too much, or a limit of the configuration is too low. The log names addresses.",
  },
  {
    alert: "CommitsSlow",
    expr: `${quantile(0.99, "commit_seconds")} > 0.25`,
    for: "10m",
    severity: "warning",
    summary: "Storing a batch takes {{ $value | humanizeDuration }}",
    description: "The disk is slow, or something else keeps it busy.",
  },
  {
    alert: "ClientsLagging",
    expr: `${metric("lagging_clients")} > 0`,
    for: "15m",
    severity: "warning",
    summary: "{{ $value }} clients have been behind for 15 minutes",
    description:
      "They are fed from the log; the dashboard's Server view shows which ones, and how far behind.",
  },
  {
    alert: "Gaps",
    expr: `${increase("gaps_total", "15m")} > 0`,
    severity: "warning",
    summary: "Clients missed events that the log no longer holds: {{ $labels.reason }}",
    description: "Where they were away for longer than the log reaches back, raise `max_history_size`.",
  },
  {
    alert: "EventLoopBlocked",
    expr: `${metric("event_loop_delay_seconds", 'stat="p99"')} > 0.25`,
    for: "5m",
    severity: "warning",
    summary: "Everybody waits for {{ $value | humanizeDuration }}",
    description: "The machine is busy, or the server is: see its processor time and what comes in.",
  },
  {
    alert: "AuthFailures",
    expr: `${increase("auth_failures_total", "5m")} > 20`,
    severity: "warning",
    summary: "{{ $value | humanize }} attempts with a bad token within 5 minutes",
    description: "A client has an old token, or somebody tries. The log names addresses.",
  },
  {
    alert: "CertificateExpires",
    expr: `${metric("tls_certificate_expiry_seconds")} - time() < ${14 * DAY_SECONDS}`,
    severity: "warning",
    summary: "The TLS certificate expires in {{ $value | humanizeDuration }}",
    description: "Replace the files and send the server SIGHUP; no client is dropped.",
  },
];

/** A file for Prometheus' `rule_files`. */
export function alertRules(): string {
  const rules = RULES.map(({ alert, expr, for: pending, severity, summary, description }) => ({
    alert: `ClaudeMpmSocketio${alert}`,
    expr,
    ...(pending === undefined ? {} : { for: pending }),
    labels: { severity },
    annotations: { summary: `{{ $labels.instance }}: ${summary}`, description },
  }));
  const groups = [{ name: "claude-mpm-socketio", rules }];
  return `# Alerts for claude-mpm-socketio; \`promtool check rules\` takes them.\n${Bun.YAML.stringify({ groups }, null, 2)}\n`;
}
