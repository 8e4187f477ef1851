
-- withhold: what replicas may let in that are not heard from; `leased` has what is withheld, what of it is for replicas
-- that a lost line knew and until when, the largest lease and the most withheld of which anybody told since the line
-- heals, and when leases were last granted. `unearned` is what was withheld before or is now, whichever is more.
local pace = rate
due.withheld, due.sharing = 0, store == NO_ID and 1 or 0
-- pace_per_hour
if held_back_ppm > 0 then
  pace = max(floor(rate * (ENTRY - held_back_ppm) / ENTRY), min(floor((rate + 3) / 4), PROBE_PER_HOUR))
end
do
  local unearned = 0
  if paced == 1 or KEYS.leased ~= NO_LEASES or same and ARGV[1]:sub(-16) ~= NO_LEASE then
    -- The last of the exchange's fixed fields: what the sender was granted, and what was withheld by the same answer.
    local known_lease, known_withheld = struct.unpack('>I8I8', ARGV[1], #ARGV[1] - 15)
    local lost, lost_until_us, heal_each, heal_withheld, paced_us
    unearned, lost, lost_until_us, heal_each, heal_withheld, paced_us = struct.unpack('>I8I8I8I8I8I8', KEYS.leased)
    -- A line that was lost may have lost its settings as well: those who come back tell.
    if paced == 1 or same and known_lease + known_withheld > 0 then paced_us = now_us end
    if store == NO_ID or paced_us + LEASE_US <= now_us then
      call('UNLINK', LEASES)
      KEYS.leased = struct.pack('>I8I8I8I8I8I8', 0, 0, 0, 0, 0, store == NO_ID and paced_us or 0)
    else
      local may_have_lost = (was_healing or now_us < heal_until_us) and gathers == 0
      -- Whoever has not been answered since a silence may have let people in all the time.
      local live_us = max(now_us + 1 - LIVE_US, 0, heal_from_us)
      if now_us >= lost_until_us then lost = 0 end
      local rows, gone, held, shares_own = call('HGETALL', LEASES), {}, false, false
      local shares, silent = 0, 0
      for i = 1, #rows, 2 do
        local told_us, per_hour = struct.unpack('>I8I8', rows[i + 1])
        local own = rows[i] == instance
        if told_us + LEASE_US <= now_us then
          gone[#gone + 1] = rows[i]
        elseif own and same then
          held = true
          if leaving == 1 then gone[#gone + 1] = rows[i] end
        elseif told_us >= live_us then
          shares = shares + 1
        else
          silent = silent + per_hour
        end
      end
      if #gone > 0 then call('HDEL', LEASES, unpack(gone)) end
      if same then
        if may_have_lost then
          heal_each, heal_withheld = max(heal_each, known_lease), max(heal_withheld, known_withheld)
        end
        -- One of those that a lost line knew.
        if not held then lost = max(lost - known_lease, 0) end
        if leaving == 0 then
          known_now_us = min(known_now_us, now_us)
          if known_now_us >= live_us then
            shares, shares_own = shares + 1, true
          else
            silent = silent + known_lease
            call('HSET', LEASES, instance, struct.pack('>I8I8', known_now_us, known_lease))
          end
        end
      end
      if may_have_lost and now_us >= heal_until_us then
        local missing = heal_live < INSTANCES_UNKNOWN and min(max(heal_live - heal_heard, 0), LOST_MAX) or 0
        lost = max(lost, min(max(heal_withheld + missing * heal_each - silent, 0), RATE_PER_HOUR_MAX))
        lost_until_us, heal_each, heal_withheld = now_us + LEASE_US, 0, 0
      end
      due.withheld = silent + lost
      if shares_own then due.sharing = max(shares, SHARES_MIN) end
      KEYS.leased = struct.pack('>I8I8I8I8I8I8', due.withheld, lost, lost_until_us, heal_each, heal_withheld, paced_us)
    end
    unearned = max(unearned, due.withheld)
    if paced == 1 and elapsed_us == STEP_US_MAX then
      credit = 0
    else
      credit = min(credit, max(floor(max(pace - due.withheld, 0) * ENTRY / 3600), ENTRY))
    end
  end

  -- accrue: credit fills for the time that passed, at the pace that was in force.
  if mode == 0 and not healing and (paced == 0 or elapsed_us < STEP_US_MAX)
    and (opening == NO_OPENING or struct.unpack('>I8', opening, EARLY_AT) > 0) then
    local filled = elapsed_us * max(pace - unearned, 0) + credit_rest
    local credit_max = max(floor(max(pace - due.withheld, 0) * ENTRY / 3600), ENTRY)
    credit, credit_rest = credit + floor(filled / 3600), filled % 3600
    if credit >= credit_max then credit, credit_rest = credit_max, 0 end
  end
end
