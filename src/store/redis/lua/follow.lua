
-- age_turns: turns that are no longer young were not answered in time.
do
  local boundary = max(turn_now_us - min(2 * delay_us, 60 * SECOND_US), 0)
  if boundary > aged_us then
    local unanswered = CALLED_LAST > aged_us
      and call('ZCOUNT', CALLED, format('(%d', aged_us), format('%d', boundary)) or 0
    for _ = 1, min(unanswered, AGED_MAX) do share_ppm = share_ppm - floor(share_ppm / 100) end
    share_ppm, aged_us = max(share_ppm, SHARE_PPM_MIN), boundary
  end
end

-- expire: what has run out goes, a bounded number of each kind. Nobody is looked for before the first may be due.
local unheard_us = max(now_us - window_us, 0)
if INSIDE_DUE <= now_us or FINISHED_DUE <= now_us or TURNS_DUE <= turn_now_us or ASKING_DUE <= unheard_us
  or KEYED_DUE <= now_us then
  -- Drops from these sets who has run out by the first of them; when the next one will.
  local function drop(due, last, first, ...)
    if due > last then return due end
    local members = call('ZRANGEBYSCORE', first, '-inf', format('%d', last), 'LIMIT', 0, EXPIRED_MAX)
    if #members > 0 then
      call('ZREM', first, unpack(members))
      for i = 1, select('#', ...) do call('ZREM', (select(i, ...)), unpack(members)) end
    end
    if #members == EXPIRED_MAX then
      more = true
      return due
    end
    return tonumber(call('ZRANGE', first, 0, 0, 'WITHSCORES')[2]) or NOTHING
  end
  INSIDE_DUE = drop(INSIDE_DUE, now_us, INSIDE, INSIDE_SINCE, INSIDE_ORDER, RESIGNED)
  FINISHED_DUE = drop(FINISHED_DUE, now_us, FINISHED, FINISHED_ORDER)
  TURNS_DUE = drop(TURNS_DUE, turn_now_us, TURNS, CALLED, NUMBERS, LONGER)
  ASKING_DUE = drop(ASKING_DUE, unheard_us, ASKING, ASKING_TURN, ASKING_LATE)
  KEYED_DUE = drop(KEYED_DUE, now_us, KEYED_UNTIL, KEYED)
end

-- follow: settings from a replica's file, and what the origin said of its stock.
local proposed = false
if ARGV[2] ~= '' or sold_out == 1 then
  local function set(...)
    local before = mode
    rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max, guard_share_ppm,
      guard_recovery_us, opens_at, draw, closes_at, paced = ...
    revision = revision + 1
    -- pace_per_hour
    pace = rate
    if held_back_ppm > 0 then
      pace = max(floor(rate * (ENTRY - held_back_ppm) / ENTRY), min(floor((rate + 3) / 4), PROBE_PER_HOUR))
    end
    pace = max(pace - due.withheld, 0)
    credit = min(credit, max(floor(pace * ENTRY / 3600), ENTRY))
    if mode == 0 and before ~= 0 then listen_us = now_us end
  end
  if ARGV[2] ~= '' then
    local given, changed = struct.unpack(PROPOSAL_FORMAT, ARGV[2])
    local known = call('ZSCORE', CONTENTS, given)
    if (changed == 1 or not known) and given ~= content then
      content, proposed = given, true
      set(select(3, struct.unpack(PROPOSAL_FORMAT, ARGV[2])))
      KEYS.places, KEYS.counted_us = 0, 0
    end
    if not known then
      call('ZADD', CONTENTS, revision, given)
      call('ZREMRANGEBYRANK', CONTENTS, 0, -CONTENTS_MAX - 1)
    end
  end
  if sold_out == 1 and mode <= 1 then
    set(rate, active_max, 3, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max, guard_share_ppm,
      guard_recovery_us, opens_at, draw, closes_at, paced)
  end
end
if given_stock > 0 then stock = given_stock end
