"""Service Quotas: what an account may use, and what refuses more.

table.toml, table.py   AWS's quotas: names, codes, defaults, what accounts have
values.py              what differs in this account, by `fraudloop up --quotas FILE`
limits.py              the values that hold in this process
service.py             the API
"""
