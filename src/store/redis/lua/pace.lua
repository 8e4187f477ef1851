
-- enter, call, enter. The counts are nil while they are not known.
local inside_n, late_n, on_time_n
local head_before, bounded = head, false
-- Eager newcomers who were called, by number; those before eager_next entered.
local eager_called, eager_next, eager_called_n = {}, 1, 0
-- Those called who are to have a turn, by number.
local turns, turn_n = {}, 0
local window_listened = now_us - listen_us >= window_us
-- What is known to be empty is not counted.
if INSIDE_DUE == NOTHING then inside_n = 0 end
if NONE_LATE == 1 then late_n = 0 end
if ASKED_FIRST > head then on_time_n = 0 end

for pass = 1, (mode == 0 and rate > 0 and not healing and not awaited) and 2 or 0 do
  -- enter: those asking go in as far as credit and active_max allow: turns by number, then eager newcomers, and among
  -- them the share of the late and returning, by number. The second time there is something to do only when the first
  -- had no place left over or somebody was called since.
  local allowed, most = 0, 0
  if pass == 1 or bounded or head > head_before then
    inside_n = inside_n or call('ZCARD', INSIDE)
    allowed = min(floor(credit / ENTRY), max(active_max - inside_n, 0))
    most = min(allowed, ENTRIES_MAX)
  end
  bounded = false
  if most > 0 then
    local on_time, late = {}, {}
    if ASKED_FIRST <= head then
      on_time = call('ZRANGEBYSCORE', ASKING_TURN, '-inf', head, 'WITHSCORES', 'LIMIT', 0, most)
      if #on_time == 0 then ASKED_FIRST = tonumber(call('ZRANGE', ASKING_TURN, 0, 0, 'WITHSCORES')[2]) or NOTHING end
    end
    if NONE_LATE == 0 then
      late = call('ZRANGE', ASKING_LATE, 0, most - 1, 'WITHSCORES')
      if #late == 0 then NONE_LATE = 1 end
    end
    local ids, numbers, n, turn_at, late_at = {}, {}, 0, 1, 1
    while n < most do
      local has_turn, is_late = on_time[turn_at] or eager_next <= eager_called_n, late[late_at]
      if has_turn and is_late then
        late_due = late_due + late_share_ppm
        is_late = late_due >= ENTRY
        if is_late then late_due = late_due - ENTRY end
      elseif not has_turn and not is_late then
        break
      end
      n = n + 1
      if is_late then
        ids[n], numbers[n], late_at = late[late_at], tonumber(late[late_at + 1]), late_at + 2
      elseif on_time[turn_at] then
        ids[n], numbers[n], turn_at = on_time[turn_at], tonumber(on_time[turn_at + 1]), turn_at + 2
      else
        numbers[n] = eager_called[eager_next]
        ids[n], eager_next = ARGV[EAGER + numbers[n] - first + 1], eager_next + 1
      end
    end
    -- What was read tells how many are left, unless it was cut short.
    on_time_n = #on_time < 2 * most and (#on_time - turn_at + 1) / 2 or nil
    late_n = #late < 2 * most and (#late - late_at + 1) / 2 or nil
    if n > 0 then
      -- grant: tickets become passes.
      local inside, since, order, sets = {}, {}, {}, {}
      learn_entries(numbers, n)
      for i = 1, n do
        local id, number = ids[i], numbers[i]
        local value = min(entries[number] + 1, 14)
        entries[number] = value
        inside[i * 2 - 1], inside[i * 2] = now_us + pass_idle_us, id
        since[i * 2 - 1], since[i * 2] = now_us, id
        order[i * 2 - 1], order[i * 2] = entries_seq + i, id
        sets[i * 4 - 3], sets[i * 4 - 2], sets[i * 4 - 1], sets[i * 4] = 'SET', 'u4', format('#%d', number), value
        if checks_n > 0 then
          known[ASKING][id], known[INSIDE][id], known[INSIDE_SINCE][id] = false, now_us + pass_idle_us, now_us
        end
      end
      INSIDE_DUE = min(INSIDE_DUE, now_us + pass_idle_us)
      credit, entries_seq, entered, minute = credit - n * ENTRY, entries_seq + n, entered + n, minute + n
      call('BITFIELD', ENTRIES, unpack(sets))
      local asked = call('ZREM', ASKING, unpack(ids))
      if asked > 0 and asked > call('ZREM', ASKING_TURN, unpack(ids)) then call('ZREM', ASKING_LATE, unpack(ids)) end
      call('ZADD', INSIDE, unpack(inside))
      call('ZADD', INSIDE_SINCE, unpack(since))
      call('ZADD', INSIDE_ORDER, unpack(order))
      inside_n = nil
    end
    bounded = n == most
    if bounded and most < allowed then
      on_time_n = on_time_n or call('ZCOUNT', ASKING_TURN, '-inf', head)
      late_n = late_n or call('ZCARD', ASKING_LATE)
      more = more or on_time_n + late_n > 0
    end
  end

  if pass == 1 then
    -- call: raises `head` while the stock of people about to ask is too small, counted in thousandths of a person.
    inside_n = inside_n or call('ZCARD', INSIDE)
    late_n = late_n or call('ZCARD', ASKING_LATE)
    on_time_n = on_time_n or call('ZCOUNT', ASKING_TURN, '-inf', head)
    local effective = pace
    if inside_n >= active_max then
      local fading = 60 * SECOND_US - min(now_us - minute_us, 60 * SECOND_US)
      effective = min(pace, (minute + floor(minute_before * fading / (60 * SECOND_US))) * 60)
    end
    local wanted = max(floor(effective * (2 * floor(delay_us / 1000) + 5000) / 3600), 2000)
    local late = min(late_n * 1000, floor(floor(wanted / 1000) * late_share_ppm / 1000))
    local young_since = max(turn_now_us - min(2 * delay_us, 60 * SECOND_US), 0)
    local young = CALLED_LAST > young_since and call('ZCOUNT', CALLED, format('(%d', young_since), '+inf') or 0
    local asking = on_time_n
    if asking * 1000 + late + floor(young * share_ppm / 1000) < wanted and head < tail then
