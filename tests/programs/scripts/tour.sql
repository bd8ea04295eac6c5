.bail on
CREATE TABLE city(id INTEGER PRIMARY KEY, name TEXT UNIQUE, people INTEGER, lat REAL);
INSERT INTO city(name, people, lat) VALUES ('Oslo', 709037, 59.91), ('Lima', 10092000, -12.05), ('Pune', 3124458, 18.52), ('Bonn', 331885, 50.73);
CREATE TABLE visit(city INTEGER REFERENCES city(id), day TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO visit SELECT 1 + i * 7 % 4, date('2024-01-01', '+' || (i % 366) || ' days') FROM n;
CREATE INDEX by_day ON visit(day);
SELECT name, people, round(lat, 1) FROM city ORDER BY people DESC;
SELECT c.name, count(*), min(v.day), max(v.day) FROM city c JOIN visit v ON v.city = c.id GROUP BY c.id ORDER BY 1;
SELECT substr(day, 1, 7) AS month, count(*) FROM visit WHERE day BETWEEN '2024-03-01' AND '2024-05-31' GROUP BY month;
BEGIN;
DELETE FROM visit WHERE city = 2;
SELECT count(*) FROM visit;
ROLLBACK;
SELECT count(*), sum(length(day)) FROM visit;
UPDATE city SET people = people + 1 WHERE name LIKE '%n%';
SELECT group_concat(name, '+'), sum(people), avg(lat) > 20, hex(name) FROM city WHERE lat > 0;
SELECT printf('%08.3f|%5d|%s', 3.14159, 42, upper('text')), coalesce(NULL, 7), typeof(1.0), 7 / 2, -7 % 3;
SELECT name, sql IS NOT NULL FROM sqlite_master ORDER BY name;
