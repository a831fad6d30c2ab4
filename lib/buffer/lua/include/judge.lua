--- @include "../../../redis/lua/include/checks"
--- @include "record"

-- Judges the steps of a transaction (judged-steps.ts) by what the site knows of their rows: may they be done, have they been done,
-- or is it known that they may not? What is not known is not refused, since the site may have forgotten: main judges.
-- The steps are judged in turn, each by what those before it leave.

-- Checks the steps, and where they place the aggregate, for use before the first write.
local function must_be_steps(steps, place)
  must(type(steps) == 'table', 'steps')
  for _, step in ipairs(steps) do
    must_have('string', step, 'kind', 'row')
    must_have('table', step, 'values')
    must(type(step.allowed or {}) == 'table' and (step.text == nil or is_text(step.text)), 'step')
    for _, allowed in pairs(step.allowed or {}) do must_be_texts(allowed, 'allowed') end
    must_be_texts(step.values, 'values')
    must_be_texts(step.given, 'given')
    must_be_texts(step.former, 'former')
    must_be_texts(step.in_order, 'in_order')
    must_be_texts(step.replaced, 'replaced')
  end
  if place ~= nil then must_have('number', place, 'obs_unit_id', 'start_ms') end
end

-- What a step leaves of its row. `text`: what the answer says, unless the step has its own.
local function after_step(row, step, id, text)
  if step.kind == 'delete' then return {values = {}} end
  local values = {}
  for column, value in pairs(row.values) do values[column] = value end
  if step.kind == 'update' and not step.is_noted then
    -- what the row has now is main's to say
    for _, column in ipairs(step.replaced or {}) do values[column] = nil end
    return {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  end
  local is_change = step.kind == 'update' or step.kind == 'put' and row.base ~= nil
  if step.is_own and is_change then values.metadata = nil end
  -- a change that came before its creation stands
  local is_earlier = step.kind == 'create' and row.patch ~= nil
  for column, value in pairs(step.values) do
    if not (is_earlier and values[column]) then values[column] = value end
  end
  local after = {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  if is_change then after.changed_by, after.patch = id, step.text or text
  else after.by, after.base = row.by or id, row.base or step.text or text end
  return after
end

-- A column whose value is known and is not allowed.
local function unmet_column(row, step)
  for column, allowed in pairs(step.allowed or {}) do
    local known, is_allowed = row.values[column], false
    for _, each in ipairs(allowed) do is_allowed = is_allowed or known == each end
    if known and not is_allowed then return column end
  end
end

local function is_repeat(row, step)
  for _, column in ipairs(step.given or {}) do
    local known = row.values[column]
    local is_same = known == step.values[column] or row.has_former_texts and known ~= nil and known == (step.former or {})[column]
    if not is_same then return false end
  end
  return step.given ~= nil
end

-- Gives what it `is`: `met`, `repeated` with the row, `taken`, or `refused` and `out_of_order` with a value; besides, `base`, what is
-- known of the row that is changed, and whether each such row is known (`is_known`). And the rows as they are then, by id.
-- `own`: what is known of the aggregate's own row.
local function judge(record, own, steps, id, text)
  local rows, made, is_noted_before = {}, {}, {}
  local verdict = {is = 'met', is_known = true, base = false}
  local function judged(is, value, row)
    verdict.is, verdict.value, verdict.row = is, unquoted(value), row
    return verdict, rows
  end
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if not row then
      row = step.is_own and own or read_row(record, step)
      -- a run of this script that was cut has noted what it was about to do
      is_noted_before[step.row] = row.changed_by == id
    end
    if step.kind == 'create' then
      if row.base and row.by ~= id then return judged('taken') end
      made[step.row] = true
    elseif step.kind == 'update' and not made[step.row] then
      verdict.is_known = verdict.is_known and row.base ~= nil
      verdict.base = verdict.base or row.base or false
      if not is_noted_before[step.row] then
        local column = unmet_column(row, step)
        if column then
          if is_repeat(row, step) then return judged('repeated', nil, row) end
          return judged('refused', row.values[column])
        end
      end
      if step.in_order then
        local began, ended = row.values[step.in_order[1]], step.values[step.in_order[2]]
        if began and ended and #began == 29 and #ended == 29 and ended < began then
          return judged('out_of_order', began)
        end
      end
    end
    rows[step.row] = after_step(row, step, id, text)
  end
  return verdict, rows
end

-- Notes what the judge has found, for those that come later.
local function note_rows(record, steps, rows)
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if step.is_noted or step.kind ~= 'update' or row.patch then write_row(record, row, step) end
  end
end
