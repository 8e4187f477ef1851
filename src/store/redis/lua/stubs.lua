
-- keep_stubs: the slices that a replica has, less what is numbered already, in place of those it had before.
if slices_n > 0 then
  local slices, at, kept = ARGV[SLICES], 1, nil
  local mark = tonumber(call('ZSCORE', STUB_MARKS, instance) or 0)
  while at < #slices and not kept do
    local at_us, first, count, after = struct.unpack(SLICE_FORMAT, slices, at)
    local skipped = max(mark + 1 - first, 0)
    if skipped < count then
      kept = struct.pack(SLICE_FORMAT, at_us, first + skipped, count - skipped) .. slices:sub(after)
    end
    at = after
  end
  if kept then
    stubs_n = stubs_n + call('HSET', STUBS, instance, kept)
  else
    stubs_n = stubs_n - call('HDEL', STUBS, instance)
  end
end

-- number_stubs: kept slices get numbers in order of time and replica, as many as one exchange may number. Where the line
-- is about to open, only those of whoever came before, and it does not as long as some of these are left.
local numbered, leaves_stubs = 0, false
if stubs_n > 0 and not healing and mode <= 1 then
  local rows, lists = call('HGETALL', STUBS), {}
  local function advance(list)
    if list.at > #list.text then
      list.at_us = nil
    else
      list.at_us, list.first, list.count, list.at = struct.unpack(SLICE_FORMAT, list.text, list.at)
    end
  end
  for i = 1, #rows, 2 do
    local list = {instance = rows[i], text = rows[i + 1], at = 1}
    advance(list)
    lists[#lists + 1] = list
  end
  local until_us = math.huge
  if opening ~= NO_OPENING then
    -- is_due_to_open
    local at_us, draws, _, commitment, early = struct.unpack(OPENING_FORMAT, opening)
    if at_us > 0 and early == 0 and clock_us >= at_us and (draws == 0 or commitment ~= NO_COMMITMENT) then
      until_us = opening_us
    end
  end
  local blocks, block, free = {}, nil, min(max(NUMBER_MAX - tail, 0), STUB_NUMBERS_MAX)
  for _ = 1, STUB_ROWS_MAX do
    local list
    for i = 1, #lists do
      local other = lists[i]
      if other.at_us and (not list or other.at_us < list.at_us
        or (other.at_us == list.at_us and other.instance < list.instance)) then list = other end
    end
    if not list or free == 0 or list.at_us >= until_us then break end
    local count = min(list.count, free)
    if block and block.instance == list.instance and block.first + block.count == list.first then
      block.count = block.count + count
    else
      block = {instance = list.instance, first = list.first, count = count, number = tail + numbered + 1}
      blocks[#blocks + 1] = block
    end
    numbered, free, list.mark = numbered + count, free - count, list.first + count - 1
    if count < list.count then
      list.first, list.count = list.first + count, list.count - count
    else
      advance(list)
    end
  end
  local kept, gone, marks, made = {}, {}, {}, {}
  for i = 1, #lists do
    local list = lists[i]
    if list.mark then
      marks[#marks + 1], marks[#marks + 2] = list.mark, list.instance
      if list.at_us then
        kept[#kept + 1] = list.instance
        kept[#kept + 1] = struct.pack(SLICE_FORMAT, list.at_us, list.first, list.count) .. list.text:sub(list.at)
      else
        gone[#gone + 1] = list.instance
      end
    end
  end
  for i = 1, #blocks do
    block, stub_seq = blocks[i], stub_seq + 1
    made[i * 2 - 1] = stub_seq
    made[i * 2] = struct.pack(BLOCK_FORMAT, block.instance, block.first, block.count, block.number)
  end
  if #kept > 0 then call('HSET', STUBS, unpack(kept)) end
  if #gone > 0 then
    call('HDEL', STUBS, unpack(gone))
    stubs_n = stubs_n - #gone
  end
  if #made > 0 then
    call('ZADD', STUB_MARKS, unpack(marks))
    call('ZADD', STUB_BLOCKS, unpack(made))
    call('ZREMRANGEBYRANK', STUB_BLOCKS, 0, -BLOCKS_MAX - 1)
  end
  leaves_stubs = stubs_n > 0 and tail + numbered < NUMBER_MAX
  for i = 1, leaves_stubs and #lists or 0 do
    if lists[i].at_us and lists[i].at_us < until_us then healing = true end
  end
end
