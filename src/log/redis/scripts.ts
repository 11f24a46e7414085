/**
 * What is done in Redis in one go, as Lua (https://redis.io/docs/latest/develop/programmability/eval-intro/). Every
 * script that writes is fenced: it says which epoch it believes in, and on which process of Redis, and does nothing
 * when it is wrong.
 */

/** Of one log; the braces keep them in one slot. */
export const KEYS = {
  /** The stream. Its ids are `<ms>-<seq>`: those of a later epoch have a greater `ms`, so that every reader gets to them. */
  log: "{claude-mpm-socketio}:log",
  /**
   * A hash: `epoch`, `run_id` of the Redis in which it began, `last` seq, `epochs` as JSON, and the first seq that was
   * not `forgotten` because somebody wanted it so: what lies before it is never put back.
   */
  meta: "{claude-mpm-socketio}:meta",
  /** A sorted set: the id of each event held, by its seq. */
  ids: "{claude-mpm-socketio}:ids",
  /** There while a history is brought in. */
  gate: "{claude-mpm-socketio}:import",
  /** Written now and then, to see whether it can be. */
  probe: "{claude-mpm-socketio}:probe",
} as const;

/** Fields of an entry of the stream, in the order in which the scripts take their values. */
export const ENTRY_FIELDS = ["i", "t", "y", "s", "p", "o", "b"] as const;

const LUA_ENTRY = ENTRY_FIELDS.map((name, index) => `'${name}', ARGV[at + ${index}]`).join(", ");
const FIELDS = ENTRY_FIELDS.length;

/** Lua writes large numbers as 1e+14 unless it is told otherwise. */
const HEAD = `
local log, meta, ids = KEYS[1], KEYS[2], KEYS[3]
local function text(n) return string.format('%.0f', n) end
local known = redis.call('HMGET', meta, 'epoch', 'run_id', 'last')
local epoch, run_id, last = known[1] or '', known[2] or '', tonumber(known[3] or '0')
`;

/** ARGV: epoch, run_id, ms of the epoch, events held at most, then the events. Answers with their seqs, negative for those that were there. */
export const APPEND = `${HEAD}
if epoch ~= ARGV[1] or run_id ~= ARGV[2] then return redis.error_reply('FENCED the log is in the epoch ' .. epoch) end
if redis.call('EXISTS', KEYS[4]) == 1 then return redis.error_reply('IMPORTING') end
local seqs = {}
local new = 0
for at = 5, #ARGV, ${FIELDS} do
  local before = redis.call('ZSCORE', ids, ARGV[at])
  if before then
    seqs[#seqs + 1] = -tonumber(before)
  else
    last = last + 1
    new = new + 1
    redis.call('XADD', log, ARGV[3] .. '-' .. text(last), ${LUA_ENTRY})
    redis.call('ZADD', ids, text(last), ARGV[at])
    seqs[#seqs + 1] = last
  end
end
if new > 0 then
  redis.call('HSET', meta, 'last', text(last))
  -- Never what has just come, which nobody has read yet.
  local held = math.max(tonumber(ARGV[4]), new)
  redis.call('XTRIM', log, 'MAXLEN', text(held))
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', text(last - held))
end
return seqs
`;

/**
 * Puts back what is missing at the end, with the seqs it had. ARGV: epoch and run_id as they are found, the epoch and
 * the list of epochs that the log had by then, ms, seq of the first event, then the events. What is there already is
 * left. Where there would be a hole, all that is there is older than what is kept, and goes. Answers with the last seq.
 */
export const RESTORE = `${HEAD}
if epoch ~= ARGV[1] or run_id ~= ARGV[2] then return redis.error_reply('FENCED the log is in the epoch ' .. epoch) end
local seq = tonumber(ARGV[6])
if seq > last + 1 then
  redis.call('XTRIM', log, 'MAXLEN', 0)
  redis.call('DEL', ids)
  last = seq - 1
end
for at = 7, #ARGV, ${FIELDS} do
  if seq == last + 1 then
    last = seq
    redis.call('XADD', log, ARGV[5] .. '-' .. text(seq), ${LUA_ENTRY})
    redis.call('ZADD', ids, text(seq), ARGV[at])
  end
  seq = seq + 1
end
redis.call('HSET', meta, 'last', text(last), 'epoch', ARGV[3], 'epochs', ARGV[4])
return text(last)
`;

/**
 * Forgets what stands before a seq, for good. ARGV: epoch, run_id, the seq. Answers with the first that is not forgotten
 * then.
 */
export const FORGET = `${HEAD}
if epoch ~= ARGV[1] or run_id ~= ARGV[2] then return redis.error_reply('FENCED the log is in the epoch ' .. epoch) end
local forgotten = tonumber(redis.call('HGET', meta, 'forgotten') or '1')
local first = math.min(tonumber(ARGV[3]), last + 1)
redis.call('XTRIM', log, 'MAXLEN', text(last + 1 - first))
redis.call('ZREMRANGEBYSCORE', ids, '-inf', text(first - 1))
-- At last: when memory is short, only what has removed something may set it.
if first > forgotten then redis.call('HSET', meta, 'forgotten', text(first)) end
return math.max(first, forgotten)
`;

/**
 * Stores a part of another log's history, as `planRestore` has it. ARGV: epoch, run_id and last seq on which the plan
 * rests, the epoch and the list of epochs of then, ms, the last seq of then, events held at most, milliseconds until
 * the next part (0 when there is none), seq of the first event, then the events.
 */
export const IMPORT = `${HEAD}
if epoch ~= ARGV[1] or run_id ~= ARGV[2] or last ~= tonumber(ARGV[3]) then
  return redis.error_reply('FENCED the log is in the epoch ' .. epoch .. ' at ' .. text(last))
end
local seq = tonumber(ARGV[10])
for at = 11, #ARGV, ${FIELDS} do
  redis.call('XADD', log, ARGV[6] .. '-' .. text(seq), ${LUA_ENTRY})
  redis.call('ZADD', ids, text(seq), ARGV[at])
  seq = seq + 1
end
redis.call('HSET', meta, 'last', ARGV[7], 'epoch', ARGV[4], 'epochs', ARGV[5])
redis.call('XTRIM', log, 'MAXLEN', ARGV[8])
redis.call('ZREMRANGEBYSCORE', ids, '-inf', text(tonumber(ARGV[7]) - tonumber(ARGV[8])))
if ARGV[9] == '0' then redis.call('DEL', KEYS[4]) else redis.call('SET', KEYS[4], '1', 'PX', ARGV[9]) end
return 1
`;

/** ARGV: epoch and run_id as they are found, the last seq, then the new epoch, run_id and list of epochs. Answers 1 when it has begun. */
export const BEGIN = `${HEAD}
if epoch ~= ARGV[1] or run_id ~= ARGV[2] or (known[3] and last ~= tonumber(ARGV[3])) then return 0 end
redis.call('HSET', meta, 'epoch', ARGV[4], 'run_id', ARGV[5], 'last', ARGV[3], 'epochs', ARGV[6])
return 1
`;

/** Events that one call of `TRIM` removes at most: nobody else is served meanwhile. */
export const TRIMMED_AT_ONCE = 1000;

/**
 * ARGV: how old events may become, in milliseconds, by Redis' clock: one machine whose clock is wrong must not cost all
 * others their history. Answers how many were removed. At first a single one is looked at, for they may be large.
 */
export const TRIM = `
local log, ids = KEYS[1], KEYS[3]
local time = redis.call('TIME')
local oldest_kept = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
local removed, looks_at, is_done = 0, 1, false
while removed < ${TRIMMED_AT_ONCE} and not is_done do
  local old = nil
  is_done = true
  for _, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', looks_at)) do
    is_done = tonumber(entry[2][4]) >= oldest_kept
    if is_done then break end
    old = entry[1]
  end
  if old then
    local ms, seq = string.match(old, '^(%d+)%-(%d+)$')
    removed = removed + redis.call('XTRIM', log, 'MINID', ms .. '-' .. string.format('%.0f', seq + 1))
    redis.call('ZREMRANGEBYSCORE', ids, '-inf', seq)
  end
  looks_at = 50
end
return removed
`;

/** Several keys in one go, so that they fit together: epoch, run_id, last, epochs, first entry's id, bytes, forgotten. */
export const STATE = `
local values = redis.call('HMGET', KEYS[2], 'epoch', 'run_id', 'last', 'epochs', 'forgotten')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {values[1] or '', values[2] or '', values[3] or '', values[4] or '', oldest[1] and oldest[1][1] or '',
  redis.call('MEMORY', 'USAGE', KEYS[1]) or 0, values[5] or ''}
`;
