
-- age_turns: turns that are no longer young were not answered in time.
do
  local boundary = max(turn_now_us - min(2 * delay_us, 60 * SECOND_US), 0)
  if boundary > aged_us then
    local unanswered = call('ZCOUNT', CALLED, format('(%.0f', aged_us), boundary)
    for _ = 1, min(unanswered, AGED_MAX) do share_ppm = share_ppm - floor(share_ppm / 100) end
    share_ppm, aged_us = max(share_ppm, SHARE_PPM_MIN), boundary
  end
end

-- expire: what has run out goes, a bounded number of each kind.
do
  local idled = call('ZRANGEBYSCORE', INSIDE, '-inf', now_us, 'LIMIT', 0, ITEMS_MAX)
  local spent = call('ZRANGEBYSCORE', FINISHED, '-inf', now_us, 'LIMIT', 0, ITEMS_MAX)
  local turned = call('ZRANGEBYSCORE', TURNS, '-inf', turn_now_us, 'LIMIT', 0, ITEMS_MAX)
  local unheard = call('ZRANGEBYSCORE', ASKING, '-inf', max(now_us - window_us, 0), 'LIMIT', 0, ITEMS_MAX)
  local forgotten = call('ZRANGEBYSCORE', KEYED_UNTIL, '-inf', now_us, 'LIMIT', 0, ITEMS_MAX)
  if #idled + #spent + #turned + #unheard + #forgotten > 0 then
    local function drop(members, ...)
      if #members == 0 then return end
      if #members == ITEMS_MAX then more = true end
      for i = 1, select('#', ...) do call('ZREM', (select(i, ...)), unpack(members)) end
    end
    drop(idled, INSIDE, INSIDE_SINCE, INSIDE_ORDER, RESIGNED)
    drop(spent, FINISHED, FINISHED_ORDER)
    drop(turned, TURNS, CALLED, NUMBERS, LONGER)
    drop(unheard, ASKING, ASKING_TURN, ASKING_LATE)
    drop(forgotten, KEYED_UNTIL, KEYED)
  end
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
    pace = max(pace - withheld, 0)
    credit = min(credit, max(floor(pace * ENTRY / 3600), ENTRY))
    if mode == 0 and before ~= 0 then listen_us = now_us end
  end
  if ARGV[2] ~= '' then
    local given, changed = struct.unpack(PROPOSAL_FORMAT, ARGV[2])
    local known = call('ZSCORE', CONTENTS, given)
    if (changed == 1 or not known) and given ~= content then
      content, proposed = given, true
      set(select(3, struct.unpack(PROPOSAL_FORMAT, ARGV[2])))
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
