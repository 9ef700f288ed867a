#!/bin/sh
# chooses the time zone: /cgi-bin/time.cgi?utc
echo "Content-Type: text/plain"
echo
case "$QUERY_STRING" in
    utc) zone=UTC0 ;;
    berlin) zone=CET-1CEST ;;
    *) echo "unknown zone"; exit 0 ;;
esac
echo "$zone" > /data/TZ
