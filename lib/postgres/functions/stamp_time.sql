create function stamp_time(stamp bigint) returns timestamptz language sql stable
return timestamptz 'epoch' + stamp * interval '1 microsecond';
