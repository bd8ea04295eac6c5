SELECT count(*) FROM visit;
SELECT name, people FROM city ORDER BY name;
