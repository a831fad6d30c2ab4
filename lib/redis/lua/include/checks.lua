-- Redis does not roll back a script. So each script checks every argument and the type of every key before its first write, writes
-- its completion marker last, and completes an interrupted run when it runs again. A failed check raises an error.
local function must(is_so, what)
  if not is_so then error('argument: ' .. what, 0) end
end
local function is_number(n) return type(n) == 'number' and n == n and n ~= math.huge and n ~= -math.huge end
local function is_text(t) return type(t) == 'string' end
local function is_reference(t) return is_text(t) and string.match(t, '^%d+:[^:]+:[^:]+$') ~= nil end
local function must_be(kind, ...)
  for _, key in ipairs({...}) do
    local found = redis.call('TYPE', key)
    if type(found) == 'table' then found = found.ok end
    must(found == 'none' or found == kind, 'a key holds a ' .. tostring(found) .. ', not a ' .. kind)
  end
end
local function must_have(kind, a, ...)
  must(type(a) == 'table', 'table')
  for _, name in ipairs({...}) do must(type(a[name]) == kind and (kind ~= 'number' or is_number(a[name])), name) end
end
local function must_be_texts(texts, what)
  if texts == nil then return end
  must(type(texts) == 'table', what)
  for _, text in pairs(texts) do must(is_text(text), what) end
end
